"""Trainings of the boosting libraries: by ``fit`` of their estimators, and by their own function ``train``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from driftmeter.instrumentation._call import Framework
from driftmeter.instrumentation._outermost import is_nested
from driftmeter.instrumentation._training import Training, hyperparameters_of, shape_of, train
from driftmeter.recorder import Identity, Registry

Evaluations: TypeAlias = Mapping[str, Mapping[str, float | Sequence[float]]]
"""By the name of a set of rows and of a metric: its values round by round, or the last one."""

_MAXIMISED: Final = frozenset(
    {
        *("auc", "aucpr", "auc_mu", "prauc", "queryauc", "ndcg", "dcg", "map", "mrr", "err", "pre", "pfound"),
        *("accuracy", "balancedaccuracy", "precision", "recall", "f", "f1", "totalf1", "kappa", "wkappa", "mcc", "r2"),
        *("average_precision", "averagegain", "precisionat", "recallat", "normalizedgini"),
        "interval-regression-accuracy",
    }
)
"""Metrics that are no loss, since more of them is better."""


def fit_estimator(
    original: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    framework: Framework,
    operation: str,
    evaluations: Callable[[Any], Evaluations | None],
) -> Any:
    """Call an estimator's ``fit``.

    Args:
        original: The method, as a function that takes the model first.
        model: The estimator.
        args: Positional arguments, without the model.
        kwargs: Keyword arguments.
        framework: What the estimator's framework tells.
        operation: The method's name.
        evaluations: Reads what a fitted estimator was evaluated to, None when it was not.
    """

    def describe(registry: Registry) -> Training:
        rows, columns = shape_of(args[0] if args else kwargs.get("X"))
        known = registry.model_of(model, framework.identity(model))
        return Training(framework.name, known, operation, rows, columns, hyperparameters_of(model))

    return train(
        partial(original, model, *args, **kwargs), describe, loss=lambda fitted: final_loss(evaluations(fitted))
    )


def final_loss(evaluations: Evaluations | None) -> float | None:
    """Return the last value of the last set's first metric that is a loss; None when there is none.

    The last set is the one by which these libraries stop early: the validation set, where there is one.
    """
    if not evaluations:
        return None
    for name, values in evaluations[list(evaluations)[-1]].items():
        if name.partition(":")[0].partition("@")[0].lower() not in _MAXIMISED:
            return float(values[-1] if isinstance(values, Sequence) else values)
    return None


class Trainer(Protocol):
    """What is told of a library's function ``train``."""

    def __call__(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        """Call the function, watched; it is no nested call."""


class FunctionPatch:
    """A module's function that is watched, wherever the library offers it."""

    def __init__(self, modules: Sequence[Any], name: str, trainer: Trainer) -> None:
        self._modules = modules
        self._name = name
        self._original = original = getattr(modules[0], name)

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **kwargs) if is_nested() else trainer(original, args, kwargs)

        self._watched = watched
        for module in modules:
            if getattr(module, name, None) is original:
                setattr(module, name, watched)

    def restore(self) -> None:
        """Put the function back, where nobody else has put something in its place."""
        for module in self._modules:
            if getattr(module, self._name, None) is self._watched:
                setattr(module, self._name, self._original)


def native_training(
    registry: Registry,
    framework: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    data: Any,
    shape: tuple[int | None, int | None],
) -> Training:
    """Describe a call of ``train(params, data, num_boost_round, ...)``, which makes a Booster."""
    rounds = args[2] if len(args) > 2 else kwargs.get("num_boost_round")
    parameters = args[0] if args else kwargs.get("params")
    # There is no booster yet; what the configuration calls such models does not depend on it.
    model = registry.model_of(data, Identity("Booster"))
    hyperparameters = {**dict(parameters or {}), **({} if rounds is None else {"num_boost_round": rounds})}
    return Training(framework, model, "train", *shape, hyperparameters)
