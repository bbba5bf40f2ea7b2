"""What the processor keeps of one model, and how it comes from snapshots to evaluations, in the order of time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor import _quality
from driftmeter.processor._comparison import Comparer, Verdict
from driftmeter.processor._rules import Rules
from driftmeter.processor._served import ServedTraffic
from driftmeter.processor._windows import Window, Windows
from driftmeter.schema import Column, Model
from driftmeter.sketches import Snapshot

_logger = logging.getLogger("driftmeter")
_SKEW_KINDS: Final = frozenset({"training", "validation"})
_SECOND: Final = 1_000_000_000
_EARLIER_WINDOWS: Final = 12
"""Earlier windows kept beside the previous one, to know how windows differ when nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdicts of one window against one baseline."""

    baseline: Baseline
    verdicts: Sequence[Verdict]

    @property
    def word(self) -> str:
        """Skew or drift, by the baseline's kind."""
        return "skew" if self.baseline.kind in _SKEW_KINDS else "drift"

    @property
    def share(self) -> float | None:
        """The share of features with a verdict of 1, or None when no feature has one."""
        features = [verdict.detected for verdict in self.verdicts if verdict.column.role == "feature"]
        return sum(features) / len(features) if features else None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that one window of one model says; it ended at ``end``, Unix nanoseconds."""

    model: Model
    end: int
    rows: int
    comparisons: Sequence[Comparison] = ()
    findings: Sequence[_quality.Finding] = ()


class ModelProcessor:
    """Evaluates the windows of one model; not thread-safe."""

    def __init__(self, model: Model, config: Config, *, baselines: Callable[[Model], Sequence[Baseline]]) -> None:
        self._model = model
        self._config = config
        self._baselines = baselines
        self._rules = Rules(config, model)
        self._window = round(config.window * _SECOND)
        self._windows = Windows(window=self._window, step=round(config.step * _SECOND))
        self._pending: list[Snapshot] = []
        self._given: dict[str, Baseline] = {}
        self._comparers: dict[str, Comparer] = {}
        self._usual: Snapshot | None = None
        self._served = ServedTraffic(window=self._window)
        self._earlier: list[Snapshot] = []
        self._latest_previous: Comparison | None = None
        self._suspected: dict[str, dict[int, frozenset[Column]]] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Add what was recorded in one step, or a part of it."""
        self._pending.append(snapshot)

    def evaluations(self, now: int) -> Iterator[Evaluation]:
        """Evaluate the windows that ended by ``now``, oldest first."""
        pending, self._pending = self._pending, []
        self._take_baselines()
        for snapshot in sorted(pending, key=lambda snapshot: snapshot.start):
            yield from self._evaluate_until(min(snapshot.start, now))
            self._windows.add(snapshot, self._comparers, self._usual)
            if self._config.previous_window:
                self._served.add(snapshot)
            elif self._config.learn_rows and not self._comparers:
                self._served.add(snapshot)
                if self._served.rows >= self._config.learn_rows:
                    self._learn_baseline()
            else:
                self._served.clear()
        yield from self._evaluate_until(now)

    def _take_baselines(self) -> None:
        """Follow what baselines the model has; they can be given while it serves."""
        for baseline in self._baselines(self._model):
            if self._given.get(baseline.kind) is baseline:
                continue
            self._given[baseline.kind] = baseline
            watched = replace(baseline, snapshot=self._rules.without_ignored(baseline.snapshot))
            self._comparers[baseline.kind] = Comparer(watched)
            if baseline.kind in _SKEW_KINDS:
                self._usual = watched.snapshot
                # What was checked against another baseline, or none, is no part of a window that speaks of this one.
                self._windows.clear()

    def _learn_baseline(self) -> None:
        """Take the first rows of a model without any baseline as one."""
        rows = self._served.rows
        learned, blocks = self._served.take()
        if learned is not None:
            baseline = Baseline(learned, "previous_window", blocks=tuple(blocks))
            self._comparers["previous_window"] = Comparer(baseline)
            self._usual = learned
            _logger.warning(
                "driftmeter: model %s has no baseline; from now on it is compared with its first %d rows, as drift",
                self._model.name,
                rows,
            )

    def _evaluate_until(self, time: int) -> Iterator[Evaluation]:
        for end in self._windows.due(time):
            window = self._windows.window(end)
            yield self._evaluate(window, end)
            self._windows.forget_before(end)
            if end % self._window == 0 and self._config.previous_window:
                self._roll(end)

    def _evaluate(self, window: Window, end: int) -> Evaluation:
        if not window.rows:
            return Evaluation(self._model, end, 0)
        comparisons = [comparison for comparison in self._comparisons(window, end) if comparison.verdicts]
        rules = _quality.QualityRules(self._config.alpha, self._config.quality_floor, self._config.min_rows)
        findings = _quality.check(window.tally, self._usual, rules)
        usual = next((comparison for comparison in comparisons if comparison.baseline.snapshot is self._usual), None)
        if usual is not None:
            findings += _quality.check_constant(usual.verdicts, rules)
        findings = [replace(found, critical=self._rules.of(found.column).critical) for found in findings]
        return Evaluation(self._model, end, window.rows, comparisons, findings)

    def _comparisons(self, window: Window, end: int) -> Iterator[Comparison]:
        whole = end % self._window == 0
        for kind, comparer in self._comparers.items():
            moving = kind == "previous_window" and self._config.previous_window
            if moving and not whole:
                # Between whole windows the current one overlaps the previous one; its last verdicts stand.
                if self._latest_previous is not None:
                    yield self._latest_previous
                continue
            counts = window.counts.get(comparer)
            if counts is None:
                continue
            before = self._suspected_before(kind, end - self._window)
            verdicts = comparer.verdicts(counts, self._rules, before=before)
            self._suspect(kind, end, verdicts, before)
            comparison = Comparison(comparer.baseline, verdicts)
            if moving:
                self._latest_previous = comparison
            yield comparison

    def _suspected_before(self, kind: str, end: int) -> frozenset[Column]:
        """Return the columns suspected in the last window with verdicts that ended by ``end``; older ones go."""
        windows = self._suspected.get(kind, {})
        ended = [other for other in windows if other <= end]
        if not ended:
            return frozenset()
        self._suspected[kind] = {other: columns for other, columns in windows.items() if other >= max(ended)}
        return windows[max(ended)]

    def _suspect(self, kind: str, end: int, verdicts: Sequence[Verdict], before: frozenset[Column]) -> None:
        """Note the columns suspected in a window; one with too few rows there keeps what was thought of it."""
        if verdicts:
            judged = {verdict.column for verdict in verdicts}
            suspected = {verdict.column for verdict in verdicts if verdict.suspected}
            self._suspected.setdefault(kind, {})[end] = frozenset(suspected | (before - judged))

    def _roll(self, end: int) -> None:
        """Make the window that ended the previous one."""
        ended = self._served.take_until(end)
        if ended is not None and ended.rows >= self._config.min_rows:
            blocks = (*self._earlier, ended)
            self._comparers["previous_window"] = Comparer(Baseline(ended, "previous_window", blocks=blocks))
            self._earlier = list(blocks)[-_EARLIER_WINDOWS:]
