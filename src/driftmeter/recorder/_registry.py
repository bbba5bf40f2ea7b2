"""The models of this process: their baselines, and the recorder of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from driftmeter.baseline import Baseline, as_configured, disguises
from driftmeter.config import Config
from driftmeter.otlp import TracedRow
from driftmeter.recorder._guard import guard
from driftmeter.recorder._identity import Identities, Identity, reference
from driftmeter.recorder._log_once import LogOnce
from driftmeter.recorder._model import Columns, Limits, ModelRecorder
from driftmeter.recorder._seeker import Bin, Seeker
from driftmeter.recorder._segments import Segments
from driftmeter.schema import Column, Kind, Model, Role
from driftmeter.sketches import OTHER, CategoricalSketch, Snapshot, truth_names
from driftmeter.tables import Table
from driftmeter.typing import Clock

_SECOND: Final = 1_000_000_000


class Bound:
    """A model object that was looked up: its recorder, None when there are too many models, and what callers keep.

    What is ``kept`` is gone when the object is, or when it is declared to be another model.
    """

    __slots__ = ("kept", "recorder", "reference")

    def __init__(self, reference: Any, recorder: ModelRecorder | None) -> None:
        self.reference = reference
        self.recorder = recorder
        self.kept: dict[Hashable, Any] = {}


class Registry:
    """The models watched in this process, and their baselines."""

    def __init__(self, config: Config, *, baselines: Iterable[Baseline] = (), clock: Clock = time.time_ns) -> None:
        self.config = config
        self.clock = clock
        self._lock = threading.Lock()
        self._recorders: dict[Model, ModelRecorder] = {}
        self._once = LogOnce()
        self._identities = Identities(config, once=self._once)
        self._bound: dict[int, Bound] = {}
        self._configured: dict[tuple[Model, str], tuple[Baseline, Baseline]] = {}
        self.before_record: Callable[[], None] | None = None
        """Called before each model is looked up, while nobody collects: the host waits here for a reader.

        Until there is one nothing is recorded, since nothing would ever be taken.
        """
        for baseline in baselines:
            self.add_baseline(baseline)

    def add_baseline(self, baseline: Baseline, *, model: Model | None = None) -> None:
        """Compare a model, by default the one the baseline names, with the baseline from now on."""
        model = model or baseline.model
        with self._lock:
            self._identities.add_baseline(baseline, model)
            recorders = dict(self._recorders)
        for known, recorder in recorders.items():
            if self._identities.baselines_of(known.whole) == model:
                recorder.expect(self._columns(known))
                recorder.segments = self._segments(known)

    def baselines(self, model: Model) -> Sequence[Baseline]:
        """Return the baselines that a model's windows are compared with; those of a segment, if it is one."""
        known = [self._as_configured(baseline, model.whole) for baseline in self._identities.baselines(model.whole)]
        if model.segment is None:
            return known
        parts = [baseline.of_segment(model.segment) for baseline in known]
        return [part for part in parts if part is not None]

    def _as_configured(self, baseline: Baseline, model: Model) -> Baseline:
        # Kept: the same one each time, and not made at each collection.
        key = (model, baseline.kind)
        kept = self._configured.get(key)
        if kept is None or kept[0] is not baseline:
            kept = self._configured[key] = baseline, as_configured(baseline, self.config, model)
        return kept[1]

    def declare(self, model_object: Any, model: Model) -> None:
        """Let a model object be known under a name of the user's."""
        with self._lock:
            self._identities.declare(model_object, model)
            self._bound.pop(id(model_object), None)

    def bound(self, model_object: Any) -> Bound | None:
        """Return what is known of a model object that was bound."""
        return self._bound.get(id(model_object))

    def bind(
        self,
        model_object: Any,
        *,
        identity: Identity,
        names: Sequence[str],
        named: bool,
        served: Model | None = None,
    ) -> Bound:
        """Find out which model an object is, and remember that for as long as the object lives.

        Args:
            model_object: What predicts. One whose class allows no weak references is not remembered: it would be kept
                alive.
            identity: What it says of itself.
            names: The names of the features that it was called with.
            named: Whether they are its own, not made up for columns without names.
            served: What the server calls the model that the request is for, if one told.
        """
        bound = self.bound(model_object)
        if bound is not None:
            return bound
        with self._lock:
            model = self._identities.identify(model_object, identity, names, named=named, served=served)
        key = id(model_object)
        bound = Bound(reference(model_object, lambda: self._bound.pop(key, None)), self.recorder(model))
        if bound.reference is not None:
            with self._lock:
                self._bound[key] = bound
        return bound

    def model_of(self, model_object: Any, identity: Identity) -> Model:
        """Return which model an object is, as far as that is known without its features; nothing is remembered."""
        bound = self.bound(model_object)
        if bound is not None and bound.recorder is not None:
            return bound.recorder.model
        return self._identities.declared(model_object, identity)

    def record(
        self, recorder: ModelRecorder, tables: Sequence[tuple[Role, Table]], *, features: Table | None = None
    ) -> None:
        """Record the columns of one call, if anybody collects, for the model and for the segments of its rows.

        Args:
            recorder: The model's recorder.
            tables: The columns, by role.
            features: What tells the segments, where features are not among the tables: they were recorded before.
        """
        if self.before_record is not None:
            return
        recorder.record(tables)
        if recorder.segments is None:
            return
        known = next((table for role, table in tables if role == "feature"), features)
        if known is not None:
            for part in recorder.segments.split(known):
                part.recorder.record(
                    [(role, table.pick(part.rows)) for role, table in tables if table.rows == known.rows]
                )

    def ask_for_readers(self) -> None:
        """Look for readers, where there were none so far."""
        ask = self.before_record  # once: another thread may find a reader meanwhile
        if ask is not None:
            ask()

    @property
    def baseline_features(self) -> object:
        """The features of all baselines: another object each time that they change."""
        return self._identities.features

    def with_baseline_names(self, features: Table, model: Model) -> Table:
        """Return a model's rows without names under those of its baseline, if it has as many."""
        names = self._identities.names(model, len(features.names))
        return replace(features, names=names, named=True) if names else features

    def recorder(self, model: Model) -> ModelRecorder | None:
        """Return the recorder of a model, or None when there are too many models, or this one is to be left out."""
        self.ask_for_readers()
        recorder = self._recorders.get(model)
        if recorder is not None:
            return recorder
        if self.config.of_model(model.name).ignore:
            return None
        with self._lock:
            if model in self._recorders:
                return self._recorders[model]
            if model.segment is None and len(self._wholes()) >= self.config.max_models:
                self._once.warning(
                    "max_models",
                    "driftmeter watches at most %d models (max_models); %r and further ones are not watched",
                    self.config.max_models,
                    model.name,
                )
                return None
            recorder = ModelRecorder(
                model,
                columns=self._columns(model),
                limits=Limits(
                    buffer_bytes=self.config.buffer_bytes,
                    max_categories=self.config.max_categories,
                    max_columns=self.config.max_columns,
                    overflow=self.config.overflow,
                ),
                step=round(self.config.step * _SECOND),
                clock=self.clock,
                segments=self._segments(model),
            )
            self._recorders = {**self._recorders, model: recorder}
            return recorder

    def _wholes(self) -> list[Model]:
        return [model for model in self._recorders if model.segment is None]

    def _segments(self, model: Model) -> Segments | None:
        own = self.config.of_model(model.name)
        named = self.config.segments if own.segments is None else own.segments
        columns = [column for column in named if own.may_tell_values(column)]
        if not columns or model.segment is not None:
            return None
        built = _segment_values(self._identities.baselines(model), columns)
        return Segments(
            _segment_values(self.baselines(model), columns),
            truths={column: truth_names(values) for column, values in built.items()},
            most=self.config.max_segments,
            disguises=disguises(self.config, model),
            recorder=lambda segment: self.recorder(replace(model, segment=segment)),
        )

    def _columns(self, model: Model) -> Columns:
        kinds: dict[tuple[Role, str], Kind] = {}
        categories: dict[tuple[Role, str], frozenset[str]] = {}
        # As they were built: rows are counted under the names that they come with.
        for baseline in self._identities.baselines(model.whole):
            for column, sketch in baseline.snapshot.columns.items():
                key = column.role, column.name
                kinds.setdefault(key, column.kind)
                if isinstance(sketch, CategoricalSketch):
                    categories[key] = categories.get(key, frozenset()) | sketch.counts.keys()
        configured = self.config.of_model(model.name).columns
        for name, column_config in configured.items():
            if column_config.kind:
                kinds["feature", name] = column_config.kind
        ignored = frozenset(name for name, column_config in configured.items() if column_config.ignore)
        return Columns(kinds, categories, ignored, disguises(self.config, model))

    def tell_unreadable(self, model: Model, why: str) -> None:
        """Say in the log, once a model, that its rows cannot be read, and why."""
        self._once.warning(
            ("unreadable", model), "driftmeter: model %s is watched without its rows: %s", model.name, why
        )

    def seek(self, model: Model, wanted: Mapping[Column, Sequence[Bin]]) -> None:
        """Look for rows of a model in some bins from now on; for none where none are given."""
        recorder = self._recorders.get(model)
        if recorder is not None:
            shown = {column: bins for column, bins in wanted.items() if column.name not in recorder.columns.disguises}
            recorder.seeker = Seeker(shown) if shown else None

    def take_traced_rows(self) -> dict[Model, dict[Column, list[TracedRow]]]:
        """Return the rows that were found since the last call."""
        seekers = {model: recorder.seeker for model, recorder in self._recorders.items()}
        found = {model: seeker.take() for model, seeker in seekers.items() if seeker is not None}
        return {model: rows for model, rows in found.items() if rows}

    def take(self) -> list[Snapshot]:
        """Return what all models recorded since the last call, one snapshot a model and step."""
        taken: list[Snapshot] = []
        for recorder in self._recorders.values():
            # Each by itself: what one model's rows do to us must not cost the others theirs.
            with guard:
                taken += recorder.take()
        return taken

    def models(self) -> list[Model]:
        """Return the models that have been seen."""
        return self._wholes()

    def dropped_rows(self) -> dict[Model, int]:
        """Return how many rows of each model were not sketched since the process started."""
        return {model: recorder.dropped_rows for model, recorder in self._recorders.items() if recorder.dropped_rows}

    @property
    def has_recorded(self) -> bool:
        """Whether any row was recorded in this process."""
        return any(recorder.has_recorded for recorder in self._recorders.values())

    def reset(self) -> None:
        """Forget all rows; a forked child starts like this."""
        self._lock = threading.Lock()
        for recorder in self._recorders.values():
            recorder.reset()
            if recorder.segments is not None:
                recorder.segments.reset()


def _segment_values(baselines: Iterable[Baseline], columns: Iterable[str]) -> dict[str, list[str]]:
    """Return by column the values that baselines tell apart."""
    known: dict[str, list[str]] = {column: [] for column in columns}
    for baseline in baselines:
        for part in baseline.segments:
            segment = part.model.segment
            if segment is not None and segment.column in known and segment.value != OTHER:
                known[segment.column].append(segment.value)
    return known


def load_baselines(config: Config) -> list[Baseline]:
    """Load the baseline files that the configuration names.

    Raises:
        BaselineError: A file cannot be read, or is no baseline; the message names it.
    """
    baselines = [Baseline.load(path) for path in config.baseline]
    if config.model_name:
        # In a service with one model, its baseline is the model's whatever name it was built under.
        named = Model(config.model_name, config.model_version)
        baselines = [baseline.renamed(named) for baseline in baselines]
    for name, configured in config.models.items():
        named = Model(name, configured.version)
        baselines += [Baseline.load(path).renamed(named) for path in configured.baseline]
    return baselines
