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

MAX_GAP: Final = 400
"""Empty buckets between two occupied ones that are still sent. They take a byte each, and hardly any compressed."""
MAX_PARTS: Final = 3
"""Runs beyond the main ones: more, and the sketch goes down in scale until some of them join."""
MAX_BYTES: Final = 2200
"""What a column's buckets may take before compression, `_PART_BYTES` of each further data point included."""
_PART_BYTES: Final = 200


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
    runs = _runs(sketch.positive), _runs(sketch.negative)
    while sketch.scale > MIN_SCALE and not _fits(*runs):
        sketch = sketch.at_scale(max(MIN_SCALE, sketch.scale - _surplus(sketch)))
        runs = _runs(sketch.positive), _runs(sketch.negative)
    positive, negative = runs
    scale = sketch.scale
    main_positive, other_positive = _split(positive)
    main_negative, other_negative = _split(negative)
    parts = [Part("", _dense(main_positive), _dense(main_negative))]
    parts += [Part(_name(run, scale), _dense(run), _NO_BUCKETS) for run in other_positive]
    parts += [Part(f"-{_name(run, scale)}", _NO_BUCKETS, _dense(run)) for run in other_negative]
    return scale, parts


def _runs(buckets: Buckets) -> list[Buckets]:
    indexes = buckets.indexes
    if len(indexes) < 2 or int(indexes[-1] - indexes[0]) - len(indexes) < MAX_GAP:
        return [buckets]
    ends = np.flatnonzero(np.diff(buckets.indexes) > MAX_GAP) + 1
    if not len(ends):
        return [buckets]
    return [
        Buckets(*both) for both in zip(np.split(buckets.indexes, ends), np.split(buckets.counts, ends), strict=True)
    ]


def _fits(positive: list[Buckets], negative: list[Buckets]) -> bool:
    extra = len(positive) + len(negative) - 2
    size = extra * _PART_BYTES
    for run in (*positive, *negative):
        if len(run):
            # A byte a bucket, and at most another one for what is occupied (but for counts beyond 16,383).
            size += int(run.indexes[-1] - run.indexes[0]) + 1 + len(run)
    return extra <= MAX_PARTS and size <= MAX_BYTES


def _surplus(sketch: NumericSketch) -> int:
    """Return a number of scales to go down that is sure not to be too many, from the gaps alone.

    ``by`` scales further down a gap is ``gap >> by`` or so, one bucket more or less.
    """
    room = MAX_BYTES - len(sketch.positive) - len(sketch.negative)
    gaps = np.concatenate((np.diff(sketch.positive.indexes), np.diff(sketch.negative.indexes)))
    by = np.arange(1, sketch.scale - MIN_SCALE + 1)[:, None]
    narrowed = gaps >> by
    parts = (narrowed > MAX_GAP + 1).sum(axis=1)
    size = np.where(narrowed > MAX_GAP + 1, _PART_BYTES, narrowed).sum(axis=1)
    fits = (parts <= MAX_PARTS) & (size <= room)
    return int(by[fits.argmax()][0]) if fits.any() else len(by)


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
