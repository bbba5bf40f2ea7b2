"""The processor: snapshots in, signals and events out. One piece of code for every host.

add(snapshots) -> ModelProcessor: steps, windows, verdicts -> Evaluation -> signals(), events
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from driftmeter import otlp, semconv
from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor._finding import Finding
from driftmeter.processor._model import Comparison, Evaluation, ModelProcessor
from driftmeter.processor._words import (
    describe,
    describe_finding,
    describe_gone,
    describe_not_judged,
    describe_resolved,
)
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot

_SECOND: Final = 1_000_000_000

_LET_THROUGH: Final[AbstractContextManager[None]] = nullcontext()

_ALWAYS_TOLD: Final = frozenset({"missing", "volume"})

Attributes: TypeAlias = dict[str, Any]
_Key: TypeAlias = tuple[object, ...]
Severity: TypeAlias = Literal["info", "warn", "error"]
Signals: TypeAlias = Mapping[semconv.Metric, Iterable[tuple[Attributes, float]]]


@dataclass(frozen=True, slots=True)
class Event:
    """A verdict that turned: the event's name, what it says in words, how grave it is, at Unix nanoseconds."""

    name: str
    body: str
    attributes: Attributes
    severity: Severity
    time: int


class Processor:
    """Compares windows of snapshots with baselines; not thread-safe.

    Args:
        config: The rules.
        baselines: Returns a model's baselines.
        contain: Entered around each model's work; a host passes its guard, so that trouble with one model is not the
            others'.
    """

    def __init__(
        self,
        config: Config,
        *,
        baselines: Callable[[Model], Sequence[Baseline]],
        contain: AbstractContextManager[Any] = _LET_THROUGH,
    ) -> None:
        self._config = config
        self._contain = contain
        self._baselines = baselines
        self._models: dict[Model, ModelProcessor] = {}
        self._latest: dict[Model, Evaluation] = {}
        self._turned: dict[_Key, bool] = {}
        self._detected: dict[Model, dict[_Key, tuple[str, Attributes]]] = {}
        self._violated: dict[Model, dict[tuple[Column | None, str], Finding]] = {}
        self._reported: set[tuple[Model, Column | None, str]] = set()

    def add(self, snapshots: Iterable[Snapshot]) -> None:
        """Add snapshots, in any order."""
        for snapshot in snapshots:
            self._model(snapshot.model).add(snapshot)

    def _model(self, model: Model) -> ModelProcessor:
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = ModelProcessor(
                model,
                self._config,
                baselines=self._baselines,
                other=partial(self._other_window, model),
                watched=any(names(config.compare_with, model) for config in self._config.models.values()),
            )
        return found

    def _other_window(self, model: Model, name: str, end: int) -> Snapshot | None:
        """Return another model's window that ended at ``end``; of several versions the one with the most rows."""
        windows = [
            processor.window(end)
            for other, processor in self._models.items()
            if other != model and other.segment == model.segment and names(name, other)
        ]
        return max((window for window in windows if window is not None), key=lambda window: window.rows, default=None)

    def advance(self, now: int) -> list[Event]:
        """Evaluate the windows that ended by ``now``; return the verdicts that turned."""
        events: list[Event] = []
        closed = now - round(self._config.grace * _SECOND)
        pending = set[int]().union(*(processor.pending_windows for processor in self._models.values()))
        # Window by window, so that what is compared with another model's window finds it, however late all is.
        for until in [*sorted(end for end in pending if end < now), now]:
            counted, evaluated = set[Model](), set[Model]()
            for model, processor in self._models.items():
                with self._contain:
                    processor.count(until, now=now)
                    counted.add(model)
            for model, processor in self._models.items():
                with self._contain:
                    for evaluation in processor.evaluations(min(until, closed)):
                        self._latest[model] = evaluation
                        events += self._turns(evaluation)
                    evaluated.add(model)
            for model in self._models.keys() - (counted & evaluated):
                # What an earlier window said is not what this one says.
                self._latest.pop(model, None)
        return events

    def late_rows(self) -> Mapping[Model, int]:
        """Return how many rows of each model came after the last window that could hold them."""
        return {model: processor.late_rows for model, processor in self._models.items() if processor.late_rows}

    def _turns(self, evaluation: Evaluation) -> list[Event]:
        events: list[Event] = []
        standing = self._detected.pop(evaluation.model, {})
        for comparison in evaluation.comparisons:
            detected, resolved = semconv.SKEW_TURNED if comparison.word == "skew" else semconv.DRIFT_TURNED
            for verdict in comparison.verdicts:
                key = (evaluation.model, comparison.baseline.kind, _lasting_id(comparison.baseline), verdict.column)
                attributes = _comparison_attributes(evaluation.model, verdict.column, comparison.baseline)
                standing.pop(key, None)
                if verdict.detected:
                    self._detected.setdefault(evaluation.model, {})[key] = resolved.name, attributes
                if self._turn(key, now=verdict.detected):
                    name, words = (detected, describe) if verdict.detected else (resolved, describe_resolved)
                    severity = _severity(now=verdict.detected, critical=verdict.critical)
                    events.append(Event(name.name, words(verdict), attributes, severity, evaluation.end))
        return events + self._not_judged(evaluation, standing) + self._quality_turns(evaluation)

    def _not_judged(self, evaluation: Evaluation, standing: Mapping[_Key, tuple[str, Attributes]]) -> list[Event]:
        """Let go of verdicts of 1 that this window does not speak of, if it has rows enough to speak."""
        if evaluation.rows < self._config.min_rows:
            self._detected.setdefault(evaluation.model, {}).update(standing)
            return []
        events: list[Event] = []
        for key, (name, attributes) in standing.items():
            self._turn(key, now=False)
            body = describe_not_judged(str(attributes[semconv.ML_COLUMN_NAME]))
            events.append(Event(name, body, attributes, "info", evaluation.end))
        return events

    def _quality_turns(self, evaluation: Evaluation) -> list[Event]:
        violated, kept = semconv.QUALITY_TURNED
        events: list[Event] = []
        now = {(found.column, found.check): found for found in evaluation.findings}
        for finding in now.values():
            if self._turn((evaluation.model, finding.check, finding.column), now=finding.violated):
                name = violated if finding.violated else kept
                attributes = _finding_attributes(evaluation.model, finding)
                severity = _severity(now=finding.violated, critical=finding.critical)
                events.append(Event(name.name, describe_finding(finding), attributes, severity, evaluation.end))
        before = self._violated.get(evaluation.model, {})
        if evaluation.rows >= self._config.min_rows:
            # A column that is not there any more violates nothing.
            for key, finding in before.items():
                if key not in now and self._turn((evaluation.model, finding.check, finding.column), now=False):
                    attributes = _finding_attributes(evaluation.model, finding)
                    events.append(Event(kept.name, describe_gone(finding), attributes, "info", evaluation.end))
            before = {}
        found = {key: finding for key, finding in now.items() if finding.violated}
        self._violated[evaluation.model] = before | found
        return events

    def _turn(self, key: _Key, *, now: bool) -> bool:
        before = self._turned.get(key, False)
        self._turned[key] = now
        return before != now

    def signals(self) -> Signals:
        """Return the current signals: what the latest window of each model says."""
        values: defaultdict[semconv.Metric, list[tuple[Attributes, float]]] = defaultdict(list)
        for evaluation in self._latest.values():
            model = otlp.model_attributes(evaluation.model)
            values[semconv.WINDOW_ROWS].append((model, evaluation.rows))
            values[semconv.WINDOW_END].append((model, evaluation.end / _SECOND))
            for comparison in evaluation.comparisons:
                _add_comparison(values, evaluation.model, comparison)
            for finding in evaluation.findings:
                self._add_finding(values, evaluation.model, finding)
        return values

    def _add_finding(
        self,
        values: defaultdict[semconv.Metric, list[tuple[Attributes, float]]],
        model: Model,
        finding: Finding,
    ) -> None:
        # Most checks of most columns never find anything; a series starts with the first bad value and then stays.
        key = (model, finding.column, finding.check)
        if not (finding.bad or finding.baseline_bad or finding.check in _ALWAYS_TOLD or key in self._reported):
            return
        self._reported.add(key)
        attributes = _finding_attributes(model, finding)
        values[semconv.QUALITY_RATIO].append((attributes, finding.ratio))
        if finding.baseline_rows:
            values[semconv.QUALITY_VIOLATED].append((attributes, int(finding.violated)))

    def latest(self) -> Mapping[Model, Evaluation]:
        """Return the latest evaluation of each model."""
        return self._latest


def names(name: str, model: Model) -> bool:
    """Whether a model is the one that a configuration names, as `name` or `name@version`."""
    return bool(name) and name in {model.name, f"{model.name}@{model.version}"}


def _lasting_id(baseline: Baseline) -> str:
    """Return what tells baselines of one kind apart; a file of the same kind takes the place of another."""
    return "" if baseline.kind in {"training", "validation"} else baseline.id


def _severity(*, now: bool, critical: bool) -> Severity:
    if not now:
        return "info"
    return "error" if critical else "warn"


def _add_comparison(
    values: defaultdict[semconv.Metric, list[tuple[Attributes, float]]], model: Model, comparison: Comparison
) -> None:
    metrics = (
        (semconv.SKEW_DISTANCE, semconv.SKEW_P_VALUE, semconv.SKEW_DETECTED, semconv.SKEW_SHARE)
        if comparison.word == "skew"
        else (semconv.DRIFT_DISTANCE, semconv.DRIFT_P_VALUE, semconv.DRIFT_DETECTED, semconv.DRIFT_SHARE)
    )
    distance, p_value, detected, share = metrics
    for verdict in comparison.verdicts:
        attributes = _comparison_attributes(model, verdict.column, comparison.baseline)
        values[distance].append(({**attributes, semconv.ML_DISTANCE_METHOD: verdict.method}, verdict.distance))
        values[p_value].append((attributes, verdict.p_value))
        values[detected].append((attributes, int(verdict.detected)))
    if comparison.share is not None:
        attributes = {**otlp.model_attributes(model), **_baseline_attributes(comparison.baseline)}
        values[share].append((attributes, comparison.share))


def _comparison_attributes(model: Model, column: Column, baseline: Baseline) -> Attributes:
    return {**otlp.column_attributes(model, column), **_baseline_attributes(baseline)}


def _baseline_attributes(baseline: Baseline) -> Attributes:
    # The previous window has no id: it is another one each time, and each would make a new series.
    identity = {semconv.ML_BASELINE_ID: baseline.id} if baseline.id else {}
    return {semconv.ML_BASELINE_KIND: baseline.kind, **identity}


def _finding_attributes(model: Model, finding: Finding) -> Attributes:
    about = otlp.model_attributes(model) if finding.column is None else otlp.column_attributes(model, finding.column)
    return {**about, semconv.ML_QUALITY_CHECK: finding.check}
