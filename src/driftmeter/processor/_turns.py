"""Verdicts that turn: what the windows of one model said last, and the events where one says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from driftmeter import semconv
from driftmeter.baseline import Provenance
from driftmeter.processor._evaluation import Evaluation
from driftmeter.processor._finding import Finding
from driftmeter.processor._finding_words import describe_finding, describe_gone
from driftmeter.processor._signals import Attributes, comparison_attributes, finding_attributes
from driftmeter.processor._words import describe, describe_not_judged, describe_resolved
from driftmeter.schema import Column

Severity: TypeAlias = Literal["info", "warn", "error"]
_Key: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A verdict that turned: the event's name, what it says in words, how grave it is, at Unix nanoseconds."""

    name: str
    body: str
    attributes: Attributes
    severity: Severity
    time: int


class Turns:
    """Tells the verdicts of one model that turned; it can be pickled."""

    def __init__(self) -> None:
        self._turned: set[_Key] = set()
        """What stands at 1; most of what is looked at never does."""
        self._detected: dict[_Key, tuple[str, Attributes]] = {}
        self._violated: dict[tuple[Column | None, str], Finding] = {}

    def events(self, evaluation: Evaluation, *, min_rows: int) -> list[Event]:
        """Return the verdicts that turned with a window; one of fewer rows lets those stand that it does not repeat."""
        events: list[Event] = []
        standing, self._detected = self._detected, {}
        for comparison in evaluation.comparisons:
            detected, resolved = semconv.SKEW_TURNED if comparison.word == "skew" else semconv.DRIFT_TURNED
            for verdict in comparison.verdicts:
                if not (verdict.detected or standing):
                    continue  # nearly all, at once
                key = (comparison.baseline.kind, _lasting_id(comparison.baseline), verdict.column)
                standing.pop(key, None)
                turns = self._turn(key, now=verdict.detected)
                if not (turns or verdict.detected):
                    continue
                attributes = comparison_attributes(evaluation.model, verdict.column, comparison.baseline)
                if verdict.detected:
                    self._detected[key] = resolved.name, attributes
                if turns:
                    name, words = (detected, describe) if verdict.detected else (resolved, describe_resolved)
                    severity = _severity(now=verdict.detected, critical=verdict.critical)
                    events.append(Event(name.name, words(verdict), attributes, severity, evaluation.end))
        enough = evaluation.rows >= min_rows
        return events + self._not_judged(evaluation, standing, enough=enough) + self._quality(evaluation, enough=enough)

    def _not_judged(
        self, evaluation: Evaluation, standing: Mapping[_Key, tuple[str, Attributes]], *, enough: bool
    ) -> list[Event]:
        """Let go of verdicts of 1 that this window does not speak of, if it has rows enough to speak."""
        if not enough:
            self._detected.update(standing)
            return []
        events: list[Event] = []
        for key, (name, attributes) in standing.items():
            self._turn(key, now=False)
            body = describe_not_judged(str(attributes[semconv.ML_COLUMN_NAME]))
            events.append(Event(name, body, attributes, "info", evaluation.end))
        return events

    def _quality(self, evaluation: Evaluation, *, enough: bool) -> list[Event]:
        violated, kept = semconv.QUALITY_TURNED
        events: list[Event] = []
        before = self._violated
        telling = evaluation.findings if before else [found for found in evaluation.findings if found.violated]
        now = {(found.column, found.check): found for found in telling}
        for finding in now.values():
            if self._turn((finding.check, finding.column), now=finding.violated):
                name = violated if finding.violated else kept
                attributes = finding_attributes(evaluation.model, finding)
                severity = _severity(now=finding.violated, critical=finding.critical)
                events.append(Event(name.name, describe_finding(finding), attributes, severity, evaluation.end))
        if enough:
            # A column that is not there any more violates nothing.
            for key, finding in before.items():
                if key not in now and self._turn((finding.check, finding.column), now=False):
                    attributes = finding_attributes(evaluation.model, finding)
                    events.append(Event(kept.name, describe_gone(finding), attributes, "info", evaluation.end))
            before = {}
        self._violated = before | {key: finding for key, finding in now.items() if finding.violated}
        return events

    def _turn(self, key: _Key, *, now: bool) -> bool:
        if (key in self._turned) is now:
            return False
        (self._turned.add if now else self._turned.discard)(key)
        return True


def _lasting_id(baseline: Provenance) -> str:
    """Return what tells baselines of one kind apart; a file of the same kind takes the place of another."""
    return "" if baseline.kind in {"training", "validation"} else baseline.id


def _severity(*, now: bool, critical: bool) -> Severity:
    if not now:
        return "info"
    return "error" if critical else "warn"
