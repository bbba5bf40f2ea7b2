"""Which model a model object is: told by the program or the configuration, by itself, or found by its features.

A name that an object bears is its own. One that bears none may have the name of the baseline whose features are its
own: names of features that came with the rows, or with the fitted model, prove which baseline is meant. A number of
features proves little: unnamed rows go to the only baseline that has as many, but only those of one class do, the
first that came. Another class's model is another model::

    LinearRegression, 3 unnamed columns -> flights (the only baseline with 3), which is now LinearRegression's
    IsolationForest,  3 unnamed columns -> IsolationForest, its columns f0, f1, f2

Which baselines a model has is another question. Its own come first, then those that were lent to it since it has their
features, then those of its name that are for no version in particular, or for the only version that there is of a model
whose own is not known::

    baseline flights        a session that bears delay, version 8     -> delay 8, compared with flights
    baseline delay          monitor(..., name="delay", version="8")   -> delay 8, compared with delay
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.recorder._log_once import LogOnce
from driftmeter.schema import Model

_DIGEST_BYTES: Final = 6
MAX_HELD: Final = 100
"""Declared objects without weak references that are kept alive; the first ones make room, and are not declared then."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model object says of itself.

    Attributes:
        class_name: The name of its class.
        name: The name that it bears, in its metadata say; empty when it bears none.
        version: The version that it bears, likewise.
        trained_on: What it was trained on, as `digest_of` has it. It stands for the version of a model that bears
            neither name nor version, so that two of one class are not taken for one.
    """

    class_name: str
    name: str = ""
    version: str = ""
    trained_on: str = ""

    @property
    def known_as(self) -> str:
        """What it goes by: its name, or else its class's."""
        return self.name or self.class_name


class Identities:
    """Names of model objects, and the baselines of each name; the caller serialises what changes them."""

    def __init__(self, config: Config, *, once: LogOnce) -> None:
        self._config = config
        self._once = once
        self._declared: dict[int, tuple[Any, Model]] = {}
        self._baselines: dict[Model, tuple[Baseline, ...]] = {}
        self._lent: dict[Model, Model] = {}
        self._served: dict[Model, str] = {}
        self.features: Mapping[Model, tuple[tuple[str, ...], ...]] = {}
        """The features of each model's baselines; replaced, not changed."""
        self._classes = {
            Model(name, configured.version): configured.match
            for name, configured in config.models.items()
            if configured.match
        }

    def add_baseline(self, baseline: Baseline, model: Model) -> None:
        """Add a model's baseline; it takes the place of one of its kind."""
        known = self._baselines.get(model, ())
        # Replaced, not changed: calls look models up without a lock.
        kept = (*(one for one in known if one.kind != baseline.kind), baseline)
        self.features = {**self.features, model: tuple(tuple(c.name for c in one.features) for one in kept)}
        self._baselines = {**self._baselines, model: kept}

    def baselines(self, model: Model) -> tuple[Baseline, ...]:
        """Return a model's baselines."""
        return self._baselines.get(self.baselines_of(model), ())

    def baselines_of(self, model: Model) -> Model:
        """Return the model whose baselines a model has: itself, or which lends it its own."""
        if model in self._baselines:
            return model
        lender = self._lent.get(model)
        if lender is not None:
            return lender
        if model.version:
            return Model(model.name)
        versions = [known for known in self._baselines if known.name == model.name]
        return versions[0] if len(versions) == 1 else model

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
        self._classes.setdefault(self.baselines_of(model), type(model_object).__name__)

    def declared(self, model_object: Any, identity: Identity) -> Model:
        """Return what the program or the configuration calls an object, else what it says of itself."""
        return self._told(model_object, identity) or self._configured(identity, None) or self._own(identity, None)

    def names(self, model: Model, width: int) -> tuple[str, ...]:
        """Return the names that a model's unnamed columns have by its baselines; none when no such number fits."""
        fitting = [names for names in self.features.get(self.baselines_of(model), ()) if len(names) == width]
        return fitting[0] if fitting and all(names == fitting[0] for names in fitting) else ()

    def identify(
        self,
        model_object: Any,
        identity: Identity,
        names: Sequence[str],
        *,
        named: bool,
        served: Model | None = None,
    ) -> Model:
        """Return which model an object is.

        Args:
            model_object: What predicts.
            identity: What it says of itself.
            names: The names of its features.
            named: Whether the names are its own, not made up for columns without names.
            served: What the server calls the model that a request is for, if one told.
        """
        told = self._told(model_object, identity)
        if told is not None:
            return told
        served = None if served is None or identity.name else self._claimed(served, identity.class_name)
        told = self._configured(identity, served)
        if told is not None:
            return told
        own = self._own(identity, served)
        if identity.name and self.baselines(own):
            return own
        by = identity.known_as
        found = self._by_names(names, by) if named else self._by_width(len(names), by)
        if found is not None:
            return self._lend(found, own if identity.name else Model(found.name, own.version or found.version))
        if self.baselines(own):
            return own
        if self._baselines:
            self._tell_no_baseline(own, names, named=named)
        is_called_as_its_class = not identity.name and served is None
        return replace(own, version=own.version or identity.trained_on) if is_called_as_its_class else own

    def _told(self, model_object: Any, identity: Identity) -> Model | None:
        declared = self._declared.get(id(model_object))
        if declared is not None:
            return declared[1]
        name = self._config.model_name
        return Model(name, self._config.model_version or identity.version) if name else None

    def _configured(self, identity: Identity, served: Model | None) -> Model | None:
        """Return the entry under ``models`` that is about an object: by its name, else its server's or its class's."""
        for known_as in (identity.name,) if identity.name else (served and served.name, identity.class_name):
            for name, configured in self._config.models.items():
                if known_as == (configured.match or name):
                    return Model(name, configured.version or identity.version)
        return None

    def _own(self, identity: Identity, served: Model | None) -> Model:
        version = self._config.model_version
        if served is not None:
            return Model(served.name, version or served.version or identity.version)
        return Model(identity.known_as, version or identity.version)

    def _claimed(self, served: Model, class_name: str) -> Model | None:
        """Return what a server calls a model, for the models of one class: the first that answered."""
        if served not in self._served and len(self._served) >= self._config.max_models:
            return None
        claimed_by = self._served.setdefault(served, class_name)
        if claimed_by == class_name:
            return served
        self._once.warning(
            ("served", served, class_name),
            "driftmeter: models of several classes answer for %s: %s is called like that, and %s is not; name both "
            "with driftmeter.monitor()",
            served.name,
            claimed_by,
            class_name,
        )
        return None

    def _lend(self, lender: Model, model: Model) -> Model:
        """Let a model that has no baseline have another one's."""
        if model not in self._baselines and len(self._lent) < self._config.max_models:
            self._lent[model] = lender
        return model

    def _tell_no_baseline(self, model: Model, names: Sequence[str], *, named: bool) -> None:
        self._once.warning(
            ("no baseline", model),
            "driftmeter: model %s has no baseline: none of those given (%s) describes its features (%s)%s; set "
            "model_name, or a model's baseline in the configuration, to compare it with one all the same",
            model.name,
            ", ".join(sorted(known.name for known in self._baselines)),
            ", ".join(names[:20]),
            "" if named else ", which have no names, and none is for its class alone",
        )

    def _by_names(self, names: Sequence[str], known_as: str) -> Model | None:
        wanted = set(names)
        found = self._only(lambda features: len(features) == len(wanted) and set(features) == wanted)
        if found is not None:
            self._classes.setdefault(found, known_as)
        return found

    def _by_width(self, width: int, known_as: str) -> Model | None:
        found = self._only(lambda features: len(features) == width)
        return found if found is not None and self._classes.setdefault(found, known_as) == known_as else None

    def _only(self, fits: Callable[[tuple[str, ...]], bool]) -> Model | None:
        """Return the model one of whose baselines fits; none when there are two."""
        found = [model for model, features in self.features.items() if any(map(fits, features))]
        return found[0] if len(found) == 1 else None


def digest_of(*facts: Any) -> str:
    """Return some facts of a model as twelve hexadecimal digits, the same in every process; empty if all are None.

    Args:
        facts: Numbers, texts, None, and sequences and arrays of such.
    """
    if all(fact is None for fact in facts):
        return ""
    return blake2b(repr([*map(_plain, facts)]).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _plain(fact: Any) -> Any:
    """Return the same of Python's own objects, which look alike in all versions of all libraries."""
    if hasattr(fact, "tolist"):
        return fact.tolist()
    return [*map(_plain, fact)] if isinstance(fact, list | tuple) else fact


def reference(model_object: Any, forget: Callable[[], object]) -> weakref.ref[Any] | None:
    """Hold on to an object without keeping it alive; None where its class does not allow that."""
    try:
        return weakref.ref(model_object, lambda _: forget())
    except TypeError:
        return None
