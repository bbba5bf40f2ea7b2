"""The numeric sketch: a mergeable summary of one column, exactly OpenTelemetry's exponential histogram.

Guarantee: every value is counted in its bucket, and a quantile is within half a bucket of the true one, relative
``tanh(ln(2) * 2 ** (-scale - 1))``. The scale starts at 20 (0.3 millionths) and falls, exactly, while a column
occupies more than ``max_buckets`` buckets; it never falls below 3 (4.3 %). So it is a function of the values alone:
merging is commutative and associative, loses no count, and gives what sketching all values at once gives.

Limit: one scale for all of a column. Where a narrow bulk far from 0 shares a column with values spread so widely that
they occupy hundreds of buckets themselves, the bulk is not told apart any more. A few far values do no harm.

Memory: 16 bytes an occupied bucket, at most 12 kB in all, except for a column that occupies more than 640 at scale 3.

Source: Masson, Rim, Lee, "DDSketch", VLDB 2019 (with gamma = base); OpenTelemetry metrics data model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final

import numpy as np

from driftmeter.sketches._buckets import Buckets, collect, empty, run_starts, union
from driftmeter.sketches._mapping import MAX_SCALE, MIN_SCALE, lower_boundary, map_to_index
from driftmeter.typing import Float64Array, Int64Array

MAX_BUCKETS: Final = 640

_COARSE: Final = 8
"""A scale at which merging is fast as it is: 2**14 buckets, which are added up in an array, span 64 octaves."""

ZERO_KEY_OFFSET: Final = 1 << 40
"""Added to a bucket index so that it is positive at every scale; see `NumericSketch.keys`."""


@dataclass(frozen=True, slots=True, eq=False)
class NumericSketch:
    """A numeric column's values, summed up.

    ``min`` and ``max`` are NaN when no finite value was seen. Beside the finite values it counts
    ``missing`` (nulls), ``non_finite`` (infinities) and ``mismatched`` (values of a wrong type).
    """

    scale: int = MAX_SCALE
    positive: Buckets = field(default_factory=empty)
    negative: Buckets = field(default_factory=empty)
    zero_count: int = 0
    sum: float = 0.0
    min: float = math.nan
    max: float = math.nan
    missing: int = 0
    non_finite: int = 0
    mismatched: int = 0

    @classmethod
    def from_values(cls, values: Float64Array, *, max_buckets: int = MAX_BUCKETS) -> NumericSketch:
        """Sketch the values of shape (n,); NaN counts as missing, infinities as non-finite."""
        values = np.asarray(values, dtype=np.float64)
        finite = np.sort(values[np.isfinite(values)])
        missing = int(np.count_nonzero(np.isnan(values)))
        non_finite = len(values) - len(finite) - missing
        if not len(finite):
            return cls(missing=missing, non_finite=non_finite)
        below, upto = np.searchsorted(finite, 0.0, side="left"), np.searchsorted(finite, 0.0, side="right")
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(finite.sum())
        return cls(
            positive=_bucketed(finite[upto:]),
            negative=_bucketed(-finite[:below][::-1]),
            zero_count=int(upto - below),
            sum=total,
            min=float(finite[0]),
            max=float(finite[-1]),
            missing=missing,
            non_finite=non_finite,
        ).compacted(max_buckets)

    def __eq__(self, other: object) -> bool:
        """Whether all is the same; two sketches without a value, whose extremes are NaN, are."""
        if not isinstance(other, NumericSketch):
            return NotImplemented
        return all(
            mine == theirs or (mine != mine and theirs != theirs)  # noqa: PLR0124  # NaN is not equal to itself
            for mine, theirs in ((getattr(self, key.name), getattr(other, key.name)) for key in fields(self))
        )

    @property
    def count(self) -> int:
        """The number of finite values."""
        return self.zero_count + self.positive.total + self.negative.total

    @property
    def total(self) -> int:
        """The number of rows seen: finite, missing and invalid."""
        return self.count + self.missing + self.non_finite + self.mismatched

    def at_scale(self, scale: int) -> NumericSketch:
        """Return the same counts at a coarser scale, exactly."""
        by = self.scale - scale
        if by < 0:
            raise ValueError(f"scale must be at most the sketch's own, {self.scale}; got {scale}")
        return replace(self, scale=scale, positive=self.positive.downscaled(by), negative=self.negative.downscaled(by))

    def compacted(self, max_buckets: int = MAX_BUCKETS) -> NumericSketch:
        """Return the finest sketch of the same values with at most ``max_buckets`` (or at scale 3)."""
        if len(self.positive) + len(self.negative) <= max_buckets:
            return self
        joining = np.concatenate((self.positive.joining_scales(), self.negative.joining_scales()))
        joined = np.cumsum(np.bincount(joining, minlength=MAX_SCALE + 1))
        spare = len(self.positive) + len(self.negative) - max_buckets
        by = int(np.searchsorted(joined, spare))
        return self.at_scale(max(self.scale - by, MIN_SCALE))

    def merge(self, other: NumericSketch, *, max_buckets: int = MAX_BUCKETS) -> NumericSketch:
        """Return the sketch of both columns' values; neither argument changes."""
        return NumericSketch.merge_all((self, other), max_buckets=max_buckets)

    @classmethod
    def merge_all(cls, sketches: Sequence[NumericSketch], *, max_buckets: int = MAX_BUCKETS) -> NumericSketch:
        """Return the sketch of all columns' values, the same in whatever order and grouping; no argument changes.

        (But for the rounding of ``sum``, which is exact over the sketches of one call.)
        """
        scale = min((sketch.scale for sketch in sketches), default=MAX_SCALE)
        some = _first_of_many(sketches, 2 * max_buckets) if scale > _COARSE else ()
        if some:
            # All of them occupy no fewer buckets than some do, so their scale is no finer; and to add up few coarse
            # buckets is many times faster than to sort thousands of fine ones that will join anyway.
            scale = min(scale, cls.merge_all(some, max_buckets=max_buckets).scale)
        down = [sketch.scale - scale for sketch in sketches]
        return cls(
            scale=scale,
            positive=union([sketch.positive for sketch in sketches], down=down),
            negative=union([sketch.negative for sketch in sketches], down=down),
            zero_count=sum([sketch.zero_count for sketch in sketches]),
            sum=_exact_sum([sketch.sum for sketch in sketches]),
            min=min([sketch.min for sketch in sketches if sketch.min == sketch.min], default=math.nan),
            max=max([sketch.max for sketch in sketches if sketch.max == sketch.max], default=math.nan),
            missing=sum([sketch.missing for sketch in sketches]),
            non_finite=sum([sketch.non_finite for sketch in sketches]),
            mismatched=sum([sketch.mismatched for sketch in sketches]),
        ).compacted(max_buckets)

    def keys(self) -> tuple[Int64Array, Int64Array]:
        """Return the occupied buckets as (keys, counts), in the order of the values they hold.

        A key orders buckets of both signs and zero on one line: ``-(index + 2**40)`` for negative values, 0 for
        zeros, ``index + 2**40`` for positive ones.
        """
        zero = np.zeros(1 if self.zero_count else 0, dtype=np.int64)
        keys = np.concatenate(
            (
                -(self.negative.indexes[::-1] + ZERO_KEY_OFFSET),
                zero,
                self.positive.indexes + ZERO_KEY_OFFSET,
            )
        )
        counts = np.concatenate((self.negative.counts[::-1], zero + self.zero_count, self.positive.counts))
        return keys, counts

    def quantile(self, q: float) -> float:
        """Return the value at quantile ``q`` from 0 to 1, or NaN for an empty sketch."""
        if not 0 <= q <= 1:
            raise ValueError(f"q must be from 0 to 1; got {q}")
        keys, counts = self.keys()
        if not len(keys):
            return math.nan
        rank = q * (self.count - 1)
        at = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
        return float(np.clip(key_values(keys[at : at + 1], self.scale)[0], self.min, self.max))

    @property
    def std(self) -> float:
        """The standard deviation, from the buckets' middles; NaN for an empty sketch."""
        keys, counts = self.keys()
        if not len(keys):
            return math.nan
        values = np.clip(key_values(keys, self.scale), self.min, self.max)
        # In units of the greatest magnitude no square is beyond float64.
        unit = float(np.abs(values).max()) or 1.0
        mean = np.average(values / unit, weights=counts)
        return unit * math.sqrt(float(np.average((values / unit - mean) ** 2, weights=counts)))


def _first_of_many(sketches: Sequence[NumericSketch], buckets: int) -> Sequence[NumericSketch]:
    """Return the first sketches, with so many buckets together, if there are several times as many; else none."""
    seen = 0
    for at, sketch in enumerate(sketches):
        seen += len(sketch.positive) + len(sketch.negative)
        if seen >= buckets:
            return sketches[: at + 1] if len(sketches) > 4 * (at + 1) else ()
    return ()


def _bucketed(ordered: Float64Array) -> Buckets:
    """Return the buckets, at the finest scale, of positive values in ascending order."""
    if not len(ordered):
        return empty()
    starts = run_starts(ordered)
    return collect(map_to_index(ordered[starts], MAX_SCALE), np.diff(starts, append=len(ordered)))


def _exact_sum(numbers: list[float]) -> float:
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # beyond float64's range, or infinities of both signs
        return sum(numbers)


def key_values(keys: Int64Array, scale: int | Int64Array) -> Float64Array:
    """Return a value for each key: the one whose relative error to both edges of its bucket is the same.

    The keys are of one scale or each of its own.
    """
    lower, upper = key_edges(keys, scale)
    with np.errstate(invalid="ignore"):  # the zero bucket's 0 / 0
        middle = lower * (2 / (1 + lower / upper))  # no step of which is beyond float64
    return np.where(keys == 0, 0.0, middle)


def key_edges(keys: Int64Array, scale: int | Int64Array) -> tuple[Float64Array, Float64Array]:
    """Return the (lower, upper) edge of each key's bucket, see `key_values`; both are 0 for the zero bucket."""
    index = np.abs(keys) - ZERO_KEY_OFFSET
    near = np.where(keys == 0, 0.0, lower_boundary(index, scale))
    far = np.where(keys == 0, 0.0, lower_boundary(index + 1, scale))
    negative = keys < 0
    return np.where(negative, -far, near), np.where(negative, -near, far)


def coarser_keys(keys: Int64Array, by: int | Int64Array) -> Int64Array:
    """Return the keys of the buckets that hold these ones ``by`` scales further down, all or each by its own."""
    index = (np.abs(keys) - ZERO_KEY_OFFSET) >> by
    return np.where(keys == 0, 0, np.sign(keys) * (index + ZERO_KEY_OFFSET))
