"""What the processor keeps of one model, and how it comes from snapshots to evaluations, in the order of time."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol
from zlib import crc32

from driftmeter.baseline import Baseline, Provenance
from driftmeter.config import Config
from driftmeter.processor._comparison import Comparer
from driftmeter.processor._evaluation import SKEW_KINDS, Comparison, Evaluation
from driftmeter.processor._experience import Experience
from driftmeter.processor._finding import Finding
from driftmeter.processor._history import History
from driftmeter.processor._learning import Learning
from driftmeter.processor._moving import EARLIER_WINDOWS, Moving, moving_baselines
from driftmeter.processor._quality import Quality, QualityRules, check_volume
from driftmeter.processor._rules import Rules, alpha_share
from driftmeter.processor._suspicion import Suspicion
from driftmeter.processor._usual import Usual
from driftmeter.processor._volume import Volumes
from driftmeter.processor._windows import Stretch, Windows
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

_logger = logging.getLogger("driftmeter")
_SECOND: Final = 1_000_000_000
_OF_THE_HOST: Final = frozenset({"_host", "_rules", "_moving", "_keeps_history"})
"""Attributes of a `ModelProcessor` that are not kept with it."""


class Host(Protocol):
    """What a `ModelProcessor` works under."""

    @property
    def config(self) -> Config:
        """The rules."""
        ...

    def baselines(self, model: Model) -> Sequence[Baseline]:
        """Return a model's baselines."""
        ...

    def other_window(self, model: Model, name: str, end: int) -> Snapshot | None:
        """Return the window of another model, by its name, that ended at a time."""
        ...

    def is_watched(self, model: Model) -> bool:
        """Whether other models are compared with this one, so that its windows are kept."""
        ...


class ModelProcessor:
    """Evaluates the windows of one model; not thread-safe.

    It can be pickled: all that it knows of the model's traffic goes, and the host's part, which `join` gives, stays.
    """

    def __init__(self, model: Model, host: Host) -> None:
        self._model = model
        self._window = round(host.config.window * _SECOND)
        self._step = round(host.config.step * _SECOND)
        self._windows = Windows(window=self._window, step=self._step)
        self._volumes = Volumes(window=self._window)
        self._pending: list[Snapshot] = []
        self._given: dict[str, Provenance | Baseline] = {}
        self._comparers: dict[str, Comparer] = {}
        self._usuals: dict[str, Usual] = {}
        self._usual: Usual | None = None
        self._learned = False
        self._learning = Learning(window=self._window)
        self._history = History(window=self._window)
        self._standing: dict[Moving, Comparison] = {}
        self._experience: dict[Moving, Experience] = {}
        self._suspicions: dict[object, Suspicion] = {}
        self._quality = Quality()
        self._volume: Finding | None = None
        self.join(host)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _OF_THE_HOST}

    def fits(self, config: Config) -> bool:
        """Whether what it knows can be gone on with under a configuration: its windows and steps are as long."""
        return self._window == round(config.window * _SECOND) and self._step == round(config.step * _SECOND)

    def join(self, host: Host) -> None:
        """Go on under a host, whose configuration it `fits`."""
        self._host = host
        self._rules = Rules(host.config, self._model)
        self._moving = list(moving_baselines(host.config, compare_with=self._rules.compare_with))
        back = max([1 + EARLIER_WINDOWS, *(moving.offset // self._window for moving in self._moving)])
        # Rows of later windows come before a window is judged, by as much as the grace.
        ahead = 1 + -(-round(host.config.grace * _SECOND) // self._window)
        self._history.windows = 1 + back + ahead
        self._keeps_history = bool(self._moving) or host.is_watched(self._model)
        self._standing = {moving: self._standing[moving] for moving in self._moving if moving in self._standing}
        self._experience = {
            moving: self._experience.get(moving) or Experience(windows=moving.offset // self._window)
            for moving in self._moving
            if moving.offset
        }

    def add(self, snapshot: Snapshot) -> None:
        """Add what was recorded in one step, or a part of it."""
        self._pending.append(snapshot)

    @property
    def pending_windows(self) -> set[int]:
        """The ends of the windows that hold what has not been counted yet."""
        return {(snapshot.start // self._window + 1) * self._window for snapshot in self._pending}

    @property
    def late_rows(self) -> int:
        """Rows that came when all windows that they belong to had been evaluated."""
        return self._windows.late_rows

    def window(self, end: int) -> Snapshot | None:
        """Return the window that ended at ``end``, if it is kept."""
        return self._history.window(end)

    @property
    def min_rows(self) -> int:
        """Rows that a window must have for a verdict."""
        return self._rules.min_rows

    def count(self, until: int, *, now: int) -> None:
        """Count what was recorded before ``until``; all of it, if that is ``now``."""
        self._take_baselines()
        self._windows.follow(now)
        self._history.forget_after(now + self._window)
        due = [snapshot for snapshot in self._pending if snapshot.start < until or until == now]
        self._pending = [] if len(due) == len(self._pending) else [s for s in self._pending if s.start >= until]
        for snapshot in sorted(due, key=lambda snapshot: snapshot.start):
            self._windows.add(snapshot, self._comparers.values(), {} if self._usual is None else self._usual.known)
            if self._keeps_history:
                self._history.add(snapshot)
            if self._host.config.learn_rows and not self._comparers and not self._host.config.previous_window:
                self._learn(snapshot)
            else:
                self._learning.clear()

    def _take_baselines(self) -> None:
        """Follow what baselines the model has; they can be given while it serves."""
        for baseline in self._host.baselines(self._model):
            # Without an id, nothing but the baseline itself tells whether it is the same one.
            given = baseline.provenance if baseline.id else baseline
            known = self._given.get(baseline.kind)
            if known is given or (baseline.id and known == given):
                continue
            self._given[baseline.kind] = given
            watched = replace(baseline, snapshot=self._rules.without_ignored(baseline.snapshot))
            self._comparers[baseline.kind] = Comparer(watched)
            if baseline.kind in SKEW_KINDS:
                self._usuals[baseline.kind] = Usual(watched)
            self._suspicions.pop(baseline.kind, None)
        if self._given and self._learned:
            # What was learned for want of a baseline is none any more.
            self._learned = False
            self._comparers = {kind: found for kind, found in self._comparers.items() if kind in self._given}
        usual = next((self._usuals[kind] for kind in SKEW_KINDS if kind in self._usuals), None)
        if usual is not None and usual is not self._usual:
            self._usual = usual
            # What was checked against another baseline, or none, is no part of a window that speaks of this one.
            self._windows.count_anew()

    def _learn(self, snapshot: Snapshot) -> None:
        """Take the first rows of a model without any baseline as one."""
        self._learning.add(snapshot)
        rows = self._learning.rows
        learned = self._learning.take() if rows >= self._host.config.learn_rows else None
        if learned is not None:
            watched = replace(learned, snapshot=self._rules.without_ignored(learned.snapshot))
            self._comparers["previous_window"] = Comparer(watched)
            self._usual = Usual(watched)
            self._learned = True
            segment = self._model.segment
            _logger.log(
                logging.WARNING if segment is None else logging.INFO,
                "driftmeter: model %s has no baseline; from now on it is compared with its first %d rows, as drift",
                self._model.name if segment is None else f"{self._model.name}, {segment.column}={segment.value},",
                rows,
            )

    def evaluations(self, now: int) -> Iterator[Evaluation]:
        """Evaluate the windows that ended by ``now``, oldest first."""
        for end in self._windows.due(now):
            yield self._evaluate(self._windows.window(end), end)

    def _evaluate(self, window: Stretch, end: int) -> Evaluation:
        share = alpha_share(self._window // self._step, whole=self._is_whole(end))
        self._renew(end)
        volume = self._check_volume(window.rows, end)
        if not window.rows:
            self._standing = {}
            return Evaluation(self._model, end, 0, findings=volume)
        comparisons = [found for found in self._comparisons(window, end, share) if found.verdicts]
        usual = self._usual
        baseline = None if usual is None else usual.baseline
        against = [found.verdicts for found in comparisons if found.baseline == baseline]
        rules = self._quality_rules(self._host.config.quality_floor, share)
        verdicts = against[0] if against else ()
        findings = self._quality.check(
            window.tally, usual, verdicts, rules, strange=partial(self._windows.strange, end)
        )
        if usual is not None and self._is_whole(end):
            usual.learn(window.tally, self._quality.violated)
        return Evaluation(self._model, end, window.rows, comparisons, [*findings, *volume])

    def _quality_rules(self, floor: float, share: float = 1.0) -> QualityRules:
        return QualityRules(self._host.config.alpha, floor, self._rules.min_rows, self._rules.is_critical, share)

    def _renew(self, end: int) -> None:
        """Let what was learned count, once a window: each model at a step of its own, lest all do at the same time."""
        steps = self._window // self._step
        if end // self._step % steps == crc32(repr(self._model).encode()) % steps:
            for comparer in self._comparers.values():
                comparer.renew()
            if self._usual is not None:
                self._usual.renew()

    def _is_whole(self, end: int) -> bool:
        """Whether the window shares no row with the last such one."""
        return end % self._window == 0

    def _check_volume(self, rows: int, end: int) -> list[Finding]:
        if self._is_whole(end):
            volume = self._volumes.of(end, rows)
            self._volumes.add(end, rows)
            self._volume = None
            if volume is not None:
                self._volume = check_volume(volume, self._quality_rules(self._host.config.volume_floor))
                if self._volume.violated:
                    self._volumes.leave_out(end)
        return [] if self._volume is None else [self._volume]

    def _comparisons(self, window: Stretch, end: int, share: float) -> Iterator[Comparison]:
        for kind, comparer in self._comparers.items():
            counts = window.counts.get(comparer)
            if counts is not None:
                suspicion = self._suspicions.setdefault(kind, Suspicion())
                before = suspicion.until(end - self._window)
                verdicts = comparer.verdicts(
                    counts, self._rules, before=before, standing=suspicion.detected, share=share
                )
                suspicion.note(end, verdicts, before=before)
                if self._is_whole(end):
                    comparer.learn(counts, verdicts, before=before)
                yield Comparison(comparer.baseline, verdicts)
        if self._is_whole(end):
            found = {moving: self._against(moving, end) for moving in self._moving}
            self._standing = {moving: comparison for moving, comparison in found.items() if comparison is not None}
        yield from self._standing.values()

    def _against(self, moving: Moving, end: int) -> Comparison | None:
        """Compare the window that ended at ``end`` with a moving baseline."""
        live = self._history.window(end)
        snapshots = [self._rules.without_ignored(snapshot) for snapshot in self._compared_with(moving, end)]
        if live is None or not snapshots or not snapshots[-1].columns:
            return None
        blocks = tuple(snapshots) if len(snapshots) > 1 else ()
        comparer = Comparer(Baseline(snapshots[-1], moving.kind, id=moving.id, blocks=blocks))
        suspicion = self._suspicions.setdefault(moving, Suspicion())
        before = suspicion.until(end - self._window)
        verdicts = comparer.verdicts(
            comparer.count(live),
            self._rules,
            before=before,
            standing=suspicion.detected,
            experience=self._experience.get(moving),
        )
        # What is not known yet has no p-value, and so no verdict.
        verdicts = [verdict for verdict in verdicts if not math.isnan(verdict.p_value)]
        suspicion.note(end, verdicts, before=before)
        return Comparison(comparer.baseline, verdicts)

    def _compared_with(self, moving: Moving, end: int) -> Sequence[Snapshot]:
        """Return what a window that ended at ``end`` is compared with: the one meant last, before it earlier ones."""
        enough = self._rules.min_rows
        if moving.kind == "previous_window":
            before = (window for window in self._history.before(end) if window.rows >= enough)
            return [*islice(before, 1 + EARLIER_WINDOWS)][::-1]
        if moving.kind == "model":
            found = self._host.other_window(self._model, moving.id, end)
        else:
            found = self._history.window(end - moving.offset)
        return [found] if found is not None and found.rows >= enough else []
