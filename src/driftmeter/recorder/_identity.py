"""Which model a model object is: told by the program or the configuration, or found by its features.

Names of features that came with the rows, or with the fitted model, prove which baseline is meant. A number of
features proves little: unnamed rows go to the only baseline that has as many, but only those of one class do, the
first that came. Another class's model is another model::

    LinearRegression, 3 unnamed columns -> flights (the only baseline with 3), which is now LinearRegression's
    IsolationForest,  3 unnamed columns -> IsolationForest, its columns f0, f1, f2
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.recorder._log_once import LogOnce
from driftmeter.schema import Model

MAX_HELD: Final = 100
"""Declared objects without weak references that are kept alive; the first ones make room, and are not declared then."""


class Identities:
    """Names of model objects, and the baselines of each name; the caller serialises what changes them."""

    def __init__(self, config: Config, *, once: LogOnce) -> None:
        self._config = config
        self._once = once
        self._declared: dict[int, tuple[Any, Model]] = {}
        self._baselines: dict[Model, tuple[Baseline, ...]] = {}
        self.features: Mapping[Model, tuple[tuple[str, ...], ...]] = {}
        """The features of each model's baselines; replaced, not changed."""
        self._classes = {
            Model(name, configured.version): configured.match
            for name, configured in config.models.items()
            if configured.match
        }

    def add_baseline(self, baseline: Baseline, model: Model) -> None:
        """Add a model's baseline; it takes the place of one of its kind."""
        known = self.baselines(model)
        # Replaced, not changed: calls look models up without a lock.
        kept = (*(one for one in known if one.kind != baseline.kind), baseline)
        self.features = {**self.features, model: tuple(tuple(c.name for c in one.features) for one in kept)}
        self._baselines = {**self._baselines, model: kept}

    def baselines(self, model: Model) -> tuple[Baseline, ...]:
        """Return a model's baselines."""
        return self._baselines.get(model, ())

    def declare(self, model_object: Any, model: Model) -> None:
        """Let a model object be known under a name of the user's."""
        key = id(model_object)
        held = reference(model_object, lambda: self._declared.pop(key, None))
        self._declared[key] = (held if held is not None else model_object, model)
        if held is None:
            # It must be kept alive, or its place in memory, and so its name, would be another object's one day.
            kept = [at for at, (one, _) in self._declared.items() if not isinstance(one, weakref.ref)]
            if len(kept) > MAX_HELD:
                del self._declared[kept[0]]
        self._classes.setdefault(model, type(model_object).__name__)

    def declared(self, model_object: Any, default_name: str) -> Model:
        """Return what the program or the configuration calls an object, else its class does."""
        return self._told(model_object, default_name) or Model(default_name, self._config.model_version)

    def names(self, model: Model, width: int) -> tuple[str, ...]:
        """Return the names that a model's unnamed columns have by its baselines; none when no such number fits."""
        fitting = [names for names in self.features.get(model, ()) if len(names) == width]
        return fitting[0] if fitting and all(names == fitting[0] for names in fitting) else ()

    def identify(self, model_object: Any, default_name: str, names: Sequence[str], *, named: bool) -> Model:
        """Return which model an object is.

        Args:
            model_object: What predicts.
            default_name: Its name when nothing else names it: its class's.
            names: The names of its features.
            named: Whether the names are its own, not made up for columns without names.
        """
        told = self._told(model_object, default_name)
        if told is not None:
            return told
        found = self._by_names(names, default_name) if named else self._by_width(len(names), default_name)
        if found is not None:
            return found
        model = Model(default_name, self._config.model_version)
        if self._baselines and model not in self._baselines:
            self._once.warning(
                ("no baseline", model),
                "driftmeter: model %s has no baseline: none of those given (%s) describes its features (%s)%s; set "
                "model_name, or a model's baseline in the configuration, to compare it with one all the same",
                default_name,
                ", ".join(sorted(known.name for known in self._baselines)),
                ", ".join(names[:20]),
                "" if named else ", which have no names, and none is for its class alone",
            )
        return model

    def _told(self, model_object: Any, default_name: str) -> Model | None:
        declared = self._declared.get(id(model_object))
        if declared is not None:
            return declared[1]
        if self._config.model_name:
            return Model(self._config.model_name, self._config.model_version)
        for name, configured in self._config.models.items():
            if default_name == (configured.match or name):
                return Model(name, configured.version)
        return None

    def _by_names(self, names: Sequence[str], default_name: str) -> Model | None:
        wanted = set(names)
        found = self._only(lambda features: len(features) == len(wanted) and set(features) == wanted)
        if found is not None:
            self._classes.setdefault(found, default_name)
        return found

    def _by_width(self, width: int, default_name: str) -> Model | None:
        found = self._only(lambda features: len(features) == width)
        return found if found is not None and self._classes.setdefault(found, default_name) == default_name else None

    def _only(self, fits: Callable[[tuple[str, ...]], bool]) -> Model | None:
        """Return the model one of whose baselines fits; none when there are two."""
        found = [model for model, features in self.features.items() if any(map(fits, features))]
        return found[0] if len(found) == 1 else None


def reference(model_object: Any, forget: Callable[[], object]) -> weakref.ref[Any] | None:
    """Hold on to an object without keeping it alive; None where its class does not allow that."""
    try:
        return weakref.ref(model_object, lambda _: forget())
    except TypeError:
        return None
