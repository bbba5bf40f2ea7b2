"""scikit-learn, and every estimator that derives from its BaseEstimator: a user's own and other libraries'.

Classes are patched when they are made (`BaseEstimator.__init_subclass__`), so nothing of scikit-learn is imported that
the program does not import itself; those that are there already are found as subclasses.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # no __all__ there
    BaseInstrumentor,
)

from driftmeter.instrumentation._instruments import use_providers
from driftmeter.instrumentation._methods import Patches
from driftmeter.recorder import guard
from driftmeter.schema import Kind, Role
from driftmeter.sketches import category_name
from driftmeter.tables import Table, UnreadableError, tabulate

OPERATIONS: Final = ("predict", "predict_proba", "decision_function")
MAX_CLASSES: Final = 20
"""Classes whose scores are columns of their own; a model with more keeps its predictions only."""


class SklearnFramework:
    """What scikit-learn's models tell of themselves."""

    name = "sklearn"

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return X, which is the first argument or a keyword."""
        return args[0] if args else kwargs.get("X")

    def feature_names(self, model: Any) -> Sequence[str]:
        """Return ``feature_names_in_``, which estimators fitted on a frame have."""
        names = getattr(model, "feature_names_in_", None)
        return () if names is None else list(names)

    def model_name(self, model: Any) -> str:
        """Return the class's name."""
        return type(model).__name__

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:
        """Return predictions, or scores by class; of two classes the second one's, since the first follows from it."""
        if operation == "predict":
            return _predictions(model, result)
        classes = getattr(model, "classes_", ())
        try:
            table = tabulate(result, max_columns=MAX_CLASSES + 1)
        except UnreadableError:
            return []
        width = len(table.names)
        if width > MAX_CLASSES or table.matrix is None:
            return []
        if width == 1:
            return [("score", Table(("score",), table.rows, table.matrix))]
        labels = [category_name(label) for label in classes] if len(classes) == width else table.names
        if width == 2 and operation == "predict_proba":
            return [("score", Table((f"score.{labels[1]}",), table.rows, table.matrix[:, 1:]))]
        return [("score", Table(tuple(f"score.{label}" for label in labels), table.rows, table.matrix))]


def _predictions(model: Any, result: Any) -> list[tuple[Role, Table]]:
    if isinstance(result, tuple) and result:
        # Regressors that are asked for a standard deviation too (return_std=True) return it beside the predictions.
        result = result[0]
    try:
        table = tabulate(result, max_columns=MAX_CLASSES)
    except UnreadableError:
        return []
    names = ("prediction",) if len(table.names) == 1 else tuple(f"prediction.{i}" for i in range(len(table.names)))
    # A classifier's labels are names even where they are numbers.
    kind: Kind | None = "categorical" if hasattr(model, "classes_") else None
    return [("prediction", replace(table, names=names, kind=kind))]


class SklearnInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # opentelemetry-instrumentation ships no types
    """Watches ``predict``, ``predict_proba`` and ``decision_function`` of every estimator."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """scikit-learn is watched from the day that it is imported; without it nothing happens."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        use_providers(tracer_provider=kwargs.get("tracer_provider"), meter_provider=kwargs.get("meter_provider"))
        self._patches = Patches(SklearnFramework(), OPERATIONS)
        self._base: Any = None
        self._on = True
        wrapt.register_post_import_hook(self._on_import, "sklearn.base")

    def _on_import(self, module: Any) -> None:
        found: list[type] = []
        with guard:
            if not self._on or self._base is not None:
                return
            self._base = module.BaseEstimator
            self._inherited = self._base.__dict__.get("__init_subclass__")
            self._base.__init_subclass__ = classmethod(self._watching_subclasses(self._base))
            found = _subclasses(self._base)
        for cls in found:
            with guard:
                self._patches.patch(cls)

    def _watching_subclasses(self, base: Any) -> Any:
        patches, inherited = self._patches, self._inherited

        def __init_subclass__(cls: type, **kwargs: Any) -> None:  # noqa: N807  # it takes the place of that method
            if inherited is None:
                super(base, cls).__init_subclass__(**kwargs)  # type: ignore[misc]  # cls is below base
            else:
                inherited.__get__(None, cls)(**kwargs)
            with guard:
                patches.patch(cls)

        return __init_subclass__

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self._on = False
        self._patches.restore()
        if self._base is not None:
            if self._inherited is None:
                del self._base.__init_subclass__
            else:
                self._base.__init_subclass__ = self._inherited
            self._base = None


def _subclasses(cls: type) -> list[type]:
    found: dict[type, None] = {}
    pending = [cls]
    while pending:
        current = pending.pop()
        if current not in found:
            found[current] = None
            pending += type.__subclasses__(current)
    return list(found)
