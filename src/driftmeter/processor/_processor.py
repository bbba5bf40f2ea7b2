"""The processor: snapshots in, signals and events out. One piece of code for every host.

add(snapshots) -> ModelProcessor: steps, windows, verdicts -> Evaluation -> signals(), events
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor._evaluation import Evaluation
from driftmeter.processor._model import ModelProcessor
from driftmeter.processor._signals import Signals, Values, add_evaluation
from driftmeter.processor._turns import Event, Turns
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

_logger = logging.getLogger("driftmeter")
_SECOND: Final = 1_000_000_000
WAITS: Final = 3
"""Windows that wait for a model that nobody knows before that is said."""

_LET_THROUGH: Final[AbstractContextManager[None]] = nullcontext()


@dataclass(slots=True)
class Watched:
    """All that is known of one model. It can be pickled, to be given to another `Processor`."""

    processor: ModelProcessor
    turns: Turns = field(default_factory=Turns)
    latest: Evaluation | None = None


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
        self.config = config
        self.baselines = baselines
        self._contain = contain
        self._models: dict[Model, Watched] = {}
        self._waited: Counter[tuple[Model, str]] = Counter()

    def add(self, snapshots: Iterable[Snapshot]) -> None:
        """Add snapshots, in any order."""
        for snapshot in snapshots:
            model = snapshot.model
            if model not in self._models:
                self._models[model] = Watched(ModelProcessor(model, self))
            self._models[model].processor.add(snapshot)

    def other_window(self, model: Model, name: str, end: int) -> Snapshot | None:
        """Return another model's window that ended at ``end``; of several versions the one with the most rows."""
        windows = [
            watched.processor.window(end)
            for other, watched in self._models.items()
            if other != model and other.segment == model.segment and names(name, other)
        ]
        if not windows and model.segment is None:
            self._tell_absent(model, name)
        return max((window for window in windows if window is not None), key=lambda window: window.rows, default=None)

    def _tell_absent(self, model: Model, name: str) -> None:
        """Say once, after some windows, that a model waits for another one that nobody knows."""
        self._waited[model, name] += 1
        if self._waited[model, name] == WAITS:
            _logger.warning(
                "driftmeter: model %s is to be compared with %s (compare_with), which was not seen in %d windows; seen "
                "were: %s",
                model.name,
                name,
                WAITS,
                ", ".join(sorted({f"{known.name}@{known.version}".rstrip("@") for known in self._models})[:20]),
            )

    def is_watched(self, model: Model) -> bool:
        """Whether other models are compared with this one."""
        return any(names(config.compare_with, model) for config in self.config.models.values())

    def advance(self, now: int) -> list[Event]:
        """Evaluate the windows that ended by ``now``; return the verdicts that turned."""
        events: list[Event] = []
        closed = now - round(self.config.grace * _SECOND)
        pending = set[int]().union(*(watched.processor.pending_windows for watched in self._models.values()))
        # Window by window, so that what is compared with another model's window finds it, however late all is.
        for until in [*sorted(end for end in pending if end < now), now]:
            done = dict.fromkeys(self._models, 0)
            for model, watched in self._models.items():
                with self._contain:
                    watched.processor.count(until, now=now)
                    done[model] += 1
            for model, watched in self._models.items():
                with self._contain:
                    events += self._evaluate(watched, min(until, closed))
                    done[model] += 1
            for model, parts in done.items():
                if parts < 2:
                    # What an earlier window said is not what this one says.
                    self._models[model].latest = None
        return events

    def _evaluate(self, watched: Watched, now: int) -> Iterable[Event]:
        events: list[Event] = []
        for evaluation in watched.processor.evaluations(now):
            watched.latest = evaluation
            events += watched.turns.events(evaluation, min_rows=watched.processor.min_rows)
        return events

    def late_rows(self) -> Mapping[Model, int]:
        """Return how many rows of each model came after the last window that could hold them."""
        late = {model: watched.processor.late_rows for model, watched in self._models.items()}
        return {model: rows for model, rows in late.items() if rows}

    def signals(self) -> Signals:
        """Return the current signals: what the latest window of each model says."""
        values: Values = defaultdict(list)
        for watched in self._models.values():
            if watched.latest is not None:
                add_evaluation(values, watched.latest)
        return values

    def latest(self) -> Mapping[Model, Evaluation]:
        """Return the latest evaluation of each model."""
        return {model: watched.latest for model, watched in self._models.items() if watched.latest is not None}

    def watched(self, model: Model) -> dict[Model, Watched]:
        """Return all that is known of a model, and of each of its segments."""
        return {part: watched for part, watched in self._models.items() if part.whole == model}

    def restore(self, watched: Mapping[Model, Watched]) -> bool:
        """Go on with what another processor knew; return whether that was possible under this configuration."""
        if not all(known.processor.fits(self.config) for known in watched.values()):
            return False
        for model, known in watched.items():
            known.processor.join(self)
            self._models[model] = known
        return True

    def forget(self, model: Model) -> None:
        """Let go of all that is known of a model, and of its segments."""
        self._models = {part: watched for part, watched in self._models.items() if part.whole != model}


def names(name: str, model: Model) -> bool:
    """Whether a model is the one that a configuration names, as `name` or `name@version`."""
    return bool(name) and name in {model.name, f"{model.name}@{model.version}"}
