"""A numeric sketch cut for the wire.

OTLP's buckets are dense, so occupied buckets far apart travel in separate data points of the same metric, all at
one scale. A year column with a sentinel::

    occupied   . . . 2013-2024 . . . . . . . . (thousands of empty buckets) . . . . . . . . 3.4e38
    parts            main                                                                   3.39999e+38

The main part holds the fullest run of positive and of negative buckets, and the zeros; every other run is a part
named by the boundary that its lowest bucket starts at, so that a part keeps its name while its lowest bucket stays.
Six digits tell any two runs apart: `MAX_GAP` buckets are a ten-thousandth of the value at the finest scale.
Where even that is too long, the sketch goes down in scale, exactly, until it fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from driftmeter.sketches import MIN_SCALE, Buckets, NumericSketch, lower_boundary

MAX_GAP: Final = 160
"""Empty buckets between two occupied ones that are still sent: a byte each, as much as a data point of its own."""
MAX_LENGTH: Final = 1600
"""Bytes, roughly, that a column's buckets may take; data points beyond the first count as `MAX_GAP` each."""


@dataclass(frozen=True, slots=True)
class DenseBuckets:
    """A run of buckets from index ``offset`` on, the empty ones between the occupied ones included."""

    offset: int = 0
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one data point holds; ``name`` is empty for the main part."""

    name: str
    positive: DenseBuckets
    negative: DenseBuckets


_NO_BUCKETS: Final = DenseBuckets()


def cut(sketch: NumericSketch) -> tuple[int, list[Part]]:
    """Return the scale to send the sketch at and its parts, the main one first."""
    while True:
        positive, negative = _runs(sketch.positive), _runs(sketch.negative)
        if sketch.scale <= MIN_SCALE or _length(positive) + _length(negative) <= MAX_LENGTH:
            break
        sketch = sketch.at_scale(sketch.scale - 1)
    scale = sketch.scale
    main_positive, other_positive = _split(positive)
    main_negative, other_negative = _split(negative)
    parts = [Part("", _dense(main_positive), _dense(main_negative))]
    parts += [Part(_name(run, scale), _dense(run), _NO_BUCKETS) for run in other_positive]
    parts += [Part(f"-{_name(run, scale)}", _NO_BUCKETS, _dense(run)) for run in other_negative]
    return scale, parts


def _runs(buckets: Buckets) -> list[Buckets]:
    if len(buckets) < 2:
        return [buckets]
    ends = np.flatnonzero(np.diff(buckets.indexes) > MAX_GAP) + 1
    if not len(ends):
        return [buckets]
    return [
        Buckets(indexes, counts)
        for indexes, counts in zip(np.split(buckets.indexes, ends), np.split(buckets.counts, ends), strict=True)
    ]


def _length(runs: list[Buckets]) -> int:
    dense = sum(int(run.indexes[-1] - run.indexes[0]) + 1 for run in runs if len(run))
    return dense + (len(runs) - 1) * MAX_GAP


def _split(runs: list[Buckets]) -> tuple[Buckets, list[Buckets]]:
    if len(runs) == 1:
        return runs[0], []
    fullest = max(range(len(runs)), key=lambda i: runs[i].total)
    return runs[fullest], runs[:fullest] + runs[fullest + 1 :]


def _name(run: Buckets, scale: int) -> str:
    return f"{lower_boundary(run.indexes[:1], scale)[0]:.6g}"


def _dense(run: Buckets) -> DenseBuckets:
    if not len(run):
        return _NO_BUCKETS
    offset = int(run.indexes[0])
    counts = np.zeros(int(run.indexes[-1]) - offset + 1, dtype=np.int64)
    counts[run.indexes - offset] = run.counts
    return DenseBuckets(offset, tuple(counts.tolist()))
