"""PyTorch: the outermost call of a module that is in evaluation mode, eager, scripted, traced or compiled.

Every module's call goes through ``nn.Module.__call__``, in training as in serving, submodules as models. So what is
watched is decided here::

    outermost  module.training  an input requires a gradient
    yes        False            no                              watched: a span, a duration, the rows
    yes        True, but driftmeter.monitor named it
               and gradients are off                        watched
    yes        else                                             not watched, nor is what it calls: a step of training
    no                                                          passed on, for some nanoseconds

Hooks are not used: one global hook makes every submodule take a way that costs a microsecond and more, and a module's
own hooks are part of its pickle.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import wrapt

from driftmeter.instrumentation import _pools, _tensors
from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation._call import call
from driftmeter.instrumentation._declared import declare, is_declared
from driftmeter.instrumentation._device_copies import Cuda, DeviceCopies
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation._outermost import inside, is_nested
from driftmeter.instrumentation._torch_call import TorchCall
from driftmeter.recorder import Registry, active, guard

OPERATION: Final = "forward"

_WRAPPERS: Final = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "module",
}
"""Modules that run another one, by their class's name, with the attribute that holds it: the model is that one."""
_ATTRIBUTES: Final = ("__call__", "_wrapped_call_impl")
"""The two names of the one function that is replaced; by the second it is pickled."""

_EXPORTED: Final = "_StatefulGraphModule"
"""The class of ``torch.export.export(...).module()``."""
_name: Final = operator.attrgetter("__name__")


def watches(model: object) -> bool:
    """Whether an object is a module of PyTorch; `driftmeter.monitor` asks, so it is a declared one from now on."""
    module = sys.modules.get("torch.nn.modules.module")
    if module is None or not isinstance(model, module.Module):
        return False
    declare(model)
    return True


class _Watch:
    """The function in the place of ``nn.Module.__call__``, and what it needs."""

    def __init__(self, torch: Any, original: Callable[..., Any]) -> None:
        self._torch = torch
        self._original = original
        self._copies: DeviceCopies | None = None
        compiler = getattr(torch, "compiler", None)
        self._is_compiling: Callable[[], bool] = getattr(compiler, "is_compiling", bool)
        self.function = self._plain()
        if _is_as_known(original):
            # Dynamo takes the function that it finds when it is imported for the original one, and passes over it. So
            # the function stays, and what it does changes.
            self.function, asking_first = self._direct(), self._asking_first().__code__
            wrapt.register_post_import_hook(functools.partial(_ask_first, self.function, asking_first), "torch._dynamo")

    def _plain(self) -> Any:
        original, is_compiling, outermost = self._original, self._is_compiling, self._outermost

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            # Dynamo knows the first answer while it compiles, and so never sees the second question.
            if is_compiling() or is_nested():
                return original(self, *args, **kwargs)
            return outermost(self, args, kwargs)

        return watched

    def _direct(self) -> Any:
        """Return a function with the original's own body: a frame less, so that submodules pay next to nothing."""
        original, is_compiling, outermost = self._original, self._is_compiling, self._outermost

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_nested() or is_compiling():
                compiled = self._compiled_call_impl
                return self._call_impl(*args, **kwargs) if compiled is None else compiled(*args, **kwargs)
            return outermost(self, args, kwargs)

        return watched

    def _asking_first(self) -> Any:
        """Return the same for programs that compile; the first question costs more than all the rest."""
        original, is_compiling, outermost = self._original, self._is_compiling, self._outermost

        @functools.wraps(original)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_compiling() or is_nested():
                compiled = self._compiled_call_impl
                return self._call_impl(*args, **kwargs) if compiled is None else compiled(*args, **kwargs)
            return outermost(self, args, kwargs)

        return watched

    def _outermost(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        registry = active()
        if registry is None or "_is_replica" in module.__dict__ or self._torch.jit.is_tracing():
            # A replica is one of the parts that a call is split into, in threads of their own.
            return self._original(module, *args, **kwargs)
        told: TorchCall | None = None
        model = module
        with guard:
            model = _model_of(module, registry)
            if self._serves(model, args, kwargs):
                told = TorchCall(model, self._device_copies())
        if told is None:
            return inside(self._original, module, *args, **kwargs)
        original = self._original if model is module else _ignoring_model(self._original, module)
        succeeded = False
        try:
            result = call(original, model, args, kwargs, framework=told, operation=OPERATION)
            succeeded = True
        finally:
            with guard:
                told.end(model, succeeded=succeeded)
        return result

    def _serves(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call is no step of a training."""
        # A scripted module that is frozen has no mode, an exported one none that can be changed.
        training = getattr(model, "training", False) and _EXPORTED not in map(_name, type(model).__mro__)
        if not self._torch.is_grad_enabled():
            return not training or is_declared(model)
        return not training and not any(
            _tensors.is_tensor(value) and value.requires_grad for value in (*args, *kwargs.values())
        )

    def _device_copies(self) -> DeviceCopies | None:
        if self._copies is None and self._torch.cuda.is_initialized():
            self._copies = DeviceCopies(Cuda(self._torch))
        return self._copies


def _ask_first(function: Any, code: Any, _dynamo: Any) -> None:
    function.__code__ = code


def _is_as_known(original: Any) -> bool:
    """Whether ``nn.Module.__call__`` is the function of PyTorch 2.1 and later, which is two lines long."""
    code = getattr(original, "__code__", None)
    return code is not None and code.co_names == ("_compiled_call_impl", "_call_impl") and not code.co_freevars


def _ignoring_model(original: Callable[..., Any], module: Any) -> Callable[..., Any]:
    return lambda _model, *args, **kwargs: original(module, *args, **kwargs)


def _model_of(module: Any, registry: Registry) -> Any:
    """Return the module that is the model: what a wrapper runs, unless the wrapper itself was given a name."""
    while (attribute := _WRAPPERS.get(type(module).__name__)) is not None:
        inner = getattr(module, attribute, None)
        if inner is None or is_declared(module) or registry.bound(module) is not None:
            break
        module = inner
    return module


class TorchInstrumentor(ImportInstrumentor):
    """Watches the outermost call of modules in evaluation mode."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for PyTorch."""
        self._replaced = Replaced()
        self._follows_pools = False
        return {"torch": self._patch}

    def _patch(self, torch: Any) -> None:
        module = torch.nn.Module
        original = module.__call__
        watched = _Watch(torch, original).function
        for name in _ATTRIBUTES:
            if vars(module).get(name) is original:
                self._replaced.put(module, name, watched)
        self._follows_pools = True
        _pools.follow()

    def restore(self) -> None:
        """Put the function back that calls modules."""
        self._replaced.restore()
        if self._follows_pools:
            self._follows_pools = False
            _pools.unfollow()
