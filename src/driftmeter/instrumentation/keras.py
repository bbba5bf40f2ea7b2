"""Keras 3, on TensorFlow, JAX or PyTorch: ``predict``, ``predict_on_batch``, and a model that is called.

Models go through their backend's ``Trainer``, and through ``Layer.__call__``, which all of their layers share; so
``__call__`` is put on ``Model`` alone, and layers pay nothing. What is no call::

    model(KerasTensor), model(x) in a tf.function or jax.jit    the model is being built, traced or exported
    model(x, training=True), fit, train_on_batch                a training, and ``fit`` has a span of its own
    evaluate, test_on_batch                                     an evaluation
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from driftmeter.instrumentation import _pools
from driftmeter.instrumentation._attributes import Replaced
from driftmeter.instrumentation._call import call
from driftmeter.instrumentation._keras_call import KerasCall, is_symbolic, is_traced
from driftmeter.instrumentation._on_import import ImportInstrumentor
from driftmeter.instrumentation._outermost import evaluating, inside, is_nested
from driftmeter.instrumentation._training import Training, shape_of, train
from driftmeter.recorder import Registry, active

PREDICTION: Final = ("predict", "predict_on_batch")
EVALUATION: Final = ("evaluate", "test_on_batch", "train_on_batch")
"""Inside of these predictions are no serving."""


def watches(model: object) -> bool:
    """Whether an object is a model of Keras; `driftmeter.monitor` asks."""
    return any(cls.__name__ == "Model" and cls.__module__.startswith("keras.") for cls in type(model).__mro__)


def _predicting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_nested():
            return original(self, *args, **kwargs)
        return call(original, self, args, kwargs, framework=KerasCall(self), operation=original.__name__)

    return watched


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_nested() or active() is None or is_traced() or is_symbolic((args, kwargs)):
            return original(self, *args, **kwargs)
        if kwargs.get("training"):
            return inside(original, self, *args, **kwargs)
        return call(original, self, args, kwargs, framework=KerasCall(self), operation="__call__")

    return watched


def _fitting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_nested():
            return original(self, *args, **kwargs)
        return train(partial(original, self, *args, **kwargs), partial(_training, self, args, kwargs), loss=_loss)

    return watched


def _training(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], registry: Registry) -> Training:
    rows, columns = shape_of(args[0] if args else kwargs.get("x"))
    optimizer = getattr(model, "optimizer", None)
    loss = getattr(model, "loss", None)
    told = {
        "epochs": args[3] if len(args) > 3 else kwargs.get("epochs", 1),
        "batch_size": args[2] if len(args) > 2 else kwargs.get("batch_size"),
        "optimizer": None if optimizer is None else type(optimizer).__name__,
        "loss": loss if isinstance(loss, str) else None if loss is None else type(loss).__name__,
    }
    return Training(
        KerasCall.name,
        registry.model_of(model, KerasCall(model).identity(model)),
        rows=rows,
        columns=columns,
        hyperparameters={name: value for name, value in told.items() if value is not None},
    )


def _loss(history: Any) -> float | None:
    """Return the last epoch's loss on the training data."""
    losses: Any = getattr(history, "history", {}).get("loss")
    return float(losses[-1]) if losses else None


_WRAPPERS: Final[Mapping[str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    **dict.fromkeys(PREDICTION, _predicting),
    **dict.fromkeys(EVALUATION, evaluating),
    "fit": _fitting,
}


class KerasInstrumentor(ImportInstrumentor):
    """Watches models that predict, are called, or are trained."""

    def hooks(self) -> Mapping[str, Callable[[Any], None]]:
        """Wait for Keras."""
        self._replaced = Replaced()
        _pools.follow()
        return {"keras": self._patch}

    def _patch(self, keras: Any) -> None:
        for operation, watching in _WRAPPERS.items():
            # The backend's own trainer has them; a model of the program's own that has them too calls that one.
            owner = next((cls for cls in keras.Model.__mro__ if operation in vars(cls)), None)
            if owner is not None:
                self._replaced.put(owner, operation, watching(vars(owner)[operation]))
        self._replaced.put(keras.Model, "__call__", _calling(keras.Model.__call__))

    def restore(self) -> None:
        """Put the methods back."""
        self._replaced.restore()
        _pools.unfollow()
