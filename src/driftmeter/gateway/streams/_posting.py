"""What is new in a request is added to the sheets of the steps that it begins in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from driftmeter import otlp
from driftmeter.gateway.streams._admission import Admission
from driftmeter.gateway.streams._differences import growth
from driftmeter.gateway.streams._last import Before, joined
from driftmeter.gateway.streams._outcomes import COUNTS, OPEN_COLUMNS, OVERFLOW
from driftmeter.gateway.streams._received import Piece, Received
from driftmeter.gateway.streams._sheet import Sheet
from driftmeter.gateway.streams._sums import Sums
from driftmeter.typing import BoolArray, Int64Array


class _Part(NamedTuple):
    """Some of ``histograms``, those at ``rows``, which hold what ``points`` count."""

    histograms: otlp.Histograms
    rows: Int64Array
    points: Int64Array


class Posting:
    """What counts of a request.

    Args:
        received: The request.
        admission: What is new in it; what is refused now is noted there.
    """

    def __init__(self, received: Received, admission: Admission) -> None:
        self._received = received
        self._admission = admission
        self._first_count = len(received.series) - len(received.counts)
        before = joined(admission.before)
        self._parts = [part for piece in received.pieces for part in self._split(piece, before)]
        self._counting = COUNTS[admission.codes]
        self._counting[: self._first_count] = False
        self._counting[self._first_count :] &= admission.counts > 0
        for part in self._parts:
            self._counting[part.points] = True

    def _split(self, piece: Piece, before: Before | None) -> Iterator[_Part]:
        """Return a piece's sketches that count, whole or by their growth."""
        sketches = piece.histograms
        codes = self._admission.codes[piece.first : piece.first + len(sketches.counts)]
        whole = COUNTS[codes]
        if before is not None:
            inside = (before.places >= piece.first) & (before.places < piece.first + len(codes))
            whole[before.places[inside] - piece.first] = False
            changed = _changed(before, inside, piece)
            if len(changed.places):
                rows = changed.places - piece.first
                grown, fallen = growth(sketches, rows, changed)
                self._admission.begin_anew(changed.places[fallen])
                whole[rows[fallen]] = True
                some = np.flatnonzero(~fallen & _holds_any(grown))
                yield _Part(grown, some, changed.places[some])
        rows = np.flatnonzero(whole & _holds_any(sketches))
        yield _Part(sketches, rows, rows + piece.first)

    def add_to(self, sums: Sums, *, room: int) -> None:
        """Add it to the steps that it begins in.

        Args:
            sums: Where it is added.
            room: How many columns there may be in all steps.
        """
        steps = self._admission.begins // sums.step
        for step in np.unique(steps[self._counting]).tolist():
            here = self._counting & (steps == step)
            sheet = sums.sheet(step * sums.step)
            places = self._places(sheet, here, sums, room)
            self._add_sketches(sheet, here, places)
            points = np.flatnonzero(here[self._first_count :]) + self._first_count
            if len(points):
                fits = sheet.add_counts(places[points], self._admission.counts[points - self._first_count])
                self._admission.codes[points[~fits]] = OVERFLOW

    def _places(self, sheet: Sheet, here: BoolArray, sums: Sums, room: int) -> Int64Array:
        """Return the lane or cell of each point; those that have none are not ``here`` any more."""
        places = np.full(len(here), -1, dtype=np.int64)
        series = self._received.series
        for group in self._received.groups:
            points = group.points[here[group.points]]
            if len(points):
                index = sums.index(group.shard)
                entries = index.entries([series[at] for at in points.tolist()])
                places[points] = sheet.places(group.shard, index, entries, room=room - sums.columns)
        refused = here & (places < 0)
        if refused.any():
            self._admission.codes[refused] = OPEN_COLUMNS
            here &= ~refused
        return places

    def _add_sketches(self, sheet: Sheet, here: BoolArray, places: Int64Array) -> None:
        for part in self._parts:
            rows, points = part.rows, part.points
            chosen = here[points]
            if not chosen.all():
                rows, points = rows[chosen], points[chosen]
            if len(rows):
                fits = sheet.add_sketches(part.histograms, rows, places[points])
                self._admission.codes[points[~fits]] = OVERFLOW


def _holds_any(sketches: otlp.Histograms) -> BoolArray:
    """Whether a sketch holds anything: of a column in parts the main one tells the sum of all of them."""
    holds_any: BoolArray = (sketches.counts > 0) | (sketches.sums != 0)
    return holds_any


def _changed(before: Before, inside: BoolArray, piece: Piece) -> Before:
    """Return what was known of those of a piece's points that are not the same as before."""
    at = np.flatnonzero(inside)
    points, sketches, rows = before.points[at], piece.histograms, before.places[at] - piece.first
    alike = (points["count"] == sketches.counts[rows]) & (points["sum"] == sketches.sums[rows])
    alike &= points["scale"] == sketches.scales[rows]
    for i in np.flatnonzero(alike).tolist():
        row, known = 2 * rows[i], 2 * at[i]
        alike[i] = before.lists[known : known + 2] == piece.lists[row : row + 2]
    if not alike.any() and len(at) == len(before.places):
        return before
    at = at[~alike]
    return Before(
        before.places[at], before.points[at], [wire for i in at.tolist() for wire in before.lists[2 * i : 2 * i + 2]]
    )
