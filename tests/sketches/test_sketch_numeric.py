"""The numeric sketch's laws."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sketch_distributions import DISTRIBUTIONS

from driftmeter.sketches import MAX_BUCKETS, MIN_SCALE, Buckets, NumericSketch, coarser_keys, key_edges, key_values

few = st.integers(1, 6)
values = st.lists(st.one_of(st.floats(), st.integers(-9, 9).map(float)), max_size=30).map(np.array)
columns = st.lists(values, max_size=6)


def sketch_of(column: np.ndarray, max_buckets: int = MAX_BUCKETS) -> NumericSketch:
    return NumericSketch.from_values(column.astype(np.float64), max_buckets=max_buckets)


def facts(sketch: NumericSketch) -> tuple[object, ...]:
    """All of a sketch but its sum, whose rounding follows the order of addition."""
    return (
        sketch.scale,
        sketch.positive.indexes.tolist(),
        sketch.positive.counts.tolist(),
        sketch.negative.indexes.tolist(),
        sketch.negative.counts.tolist(),
        sketch.zero_count,
        repr(sketch.min),
        repr(sketch.max),
        sketch.missing,
        sketch.non_finite,
        sketch.mismatched,
    )


@given(columns, few)
def test_merging_all_at_once_equals_sketching_all_values(parts: list[np.ndarray], max_buckets: int) -> None:
    merged = NumericSketch.merge_all([sketch_of(part, max_buckets) for part in parts], max_buckets=max_buckets)
    whole = np.concatenate([np.empty(0), *parts])
    expected = facts(sketch_of(np.where(whole == 0, 0.0, whole), max_buckets))
    assert facts(merged)[:6] == expected[:6]
    assert facts(merged)[8:] == expected[8:]
    assert merged.total == len(whole)
    finite = whole[np.isfinite(whole)]
    assert not len(finite) or (merged.min, merged.max) == (finite.min(), finite.max())


@given(values, values, few)
def test_merging_commutes(a: np.ndarray, b: np.ndarray, max_buckets: int) -> None:
    x, y = sketch_of(a, max_buckets), sketch_of(b, max_buckets)
    there, back = x.merge(y, max_buckets=max_buckets), y.merge(x, max_buckets=max_buckets)
    assert facts(there) == facts(back) or {there.min, there.max} & {0.0}  # 0.0 and -0.0 are one value
    assert there.sum == back.sum or math.isnan(there.sum)


@given(values, values, values, few)
def test_merging_associates(a: np.ndarray, b: np.ndarray, c: np.ndarray, max_buckets: int) -> None:
    x, y, z = (sketch_of(column, max_buckets) for column in (a, b, c))
    left = x.merge(y, max_buckets=max_buckets).merge(z, max_buckets=max_buckets)
    right = x.merge(y.merge(z, max_buckets=max_buckets), max_buckets=max_buckets)
    assert facts(left)[:6] == facts(right)[:6]
    assert facts(left)[8:] == facts(right)[8:]
    assert np.array_equal([left.min, left.max], [right.min, right.max], equal_nan=True)


@given(columns)
def test_merging_leaves_its_arguments_as_they_are(parts: list[np.ndarray]) -> None:
    sketches = [sketch_of(part) for part in parts]
    before = [facts(sketch) for sketch in sketches]
    merged = NumericSketch.merge_all(sketches)
    after = facts(merged)
    NumericSketch.merge_all([*sketches, merged])  # the work space is used again
    assert [facts(sketch) for sketch in sketches] == before
    assert facts(merged) == after


def test_the_sum_of_merged_sketches_is_exact_in_any_order() -> None:
    sketches = [NumericSketch(sum=total) for total in (1e100, 1.0, -1e100, 1e-30)]
    for order in itertools.permutations(sketches):
        assert NumericSketch.merge_all(order).sum == 1.0


def test_sums_beyond_float64_do_not_raise() -> None:
    huge = NumericSketch.from_values(np.array([1.7e308, 1.7e308]))
    assert huge.merge(huge).sum == math.inf


@given(values, st.integers(0, 17))
def test_going_down_in_scale_is_sketching_at_that_scale(column: np.ndarray, by: int) -> None:
    sketch = sketch_of(column)
    coarse = sketch.at_scale(sketch.scale - by)
    keys, counts = sketch.keys()
    expected: dict[int, int] = {}
    for key, count in zip(coarser_keys(keys, by).tolist(), counts.tolist(), strict=True):
        expected[key] = expected.get(key, 0) + count
    coarse_keys, coarse_counts = coarse.keys()
    assert dict(zip(coarse_keys.tolist(), coarse_counts.tolist(), strict=True)) == expected


def test_a_finer_scale_than_the_sketchs_is_refused() -> None:
    with pytest.raises(ValueError, match="at most the sketch's own, 5; got 6"):
        NumericSketch(scale=5).at_scale(6)


@pytest.mark.parametrize("max_buckets", [1, 2, 10, 100, MAX_BUCKETS])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_compaction_finds_the_finest_scale_that_fits(name: str, max_buckets: int) -> None:
    column = DISTRIBUTIONS[name][0](np.random.default_rng(1), 3_000)
    full = NumericSketch.from_values(column, max_buckets=10_000)
    sketch = full.compacted(max_buckets)
    if sketch.scale < full.scale:
        finer = full.at_scale(sketch.scale + 1)
        assert len(finer.positive) + len(finer.negative) > max_buckets
    assert sketch.scale == MIN_SCALE or len(sketch.positive) + len(sketch.negative) <= max_buckets


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_each_count_is_the_number_of_values_in_its_bucket(name: str) -> None:
    column = DISTRIBUTIONS[name][0](np.random.default_rng(2), 5_000)
    sketch = NumericSketch.from_values(column)
    keys, counts = sketch.keys()
    lower, upper = key_edges(keys, sketch.scale)
    ordered = np.sort(column)
    tolerance = 1e-13 * np.abs(upper)  # the edges are float64s, the boundaries are not
    inside = np.searchsorted(ordered, upper + tolerance, "right") - np.searchsorted(ordered, lower - tolerance, "left")
    assert np.all(counts <= inside)
    assert counts.sum() == len(column)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_quantiles_are_within_half_a_bucket(name: str) -> None:
    column = np.sort(DISTRIBUTIONS[name][0](np.random.default_rng(3), 10_001))
    sketch = NumericSketch.from_values(column)
    accuracy = math.tanh(math.log(2) * 2.0 ** (-sketch.scale - 1))
    for q in (0, 0.01, 0.25, 0.5, 0.9, 1):
        expected = column[int(q * 10_000)]
        assert abs(sketch.quantile(q) - expected) <= accuracy * (1 + 1e-9) * abs(expected) + 5e-324


def test_the_standard_deviation_is_near_the_true_one() -> None:
    column = np.random.default_rng(4).normal(3, 2, 10_000)
    assert NumericSketch.from_values(column).std == pytest.approx(column.std(), rel=1e-3)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_column_takes_at_most_12_kilobytes(name: str) -> None:
    sketch = NumericSketch.from_values(DISTRIBUTIONS[name][0](np.random.default_rng(5), 100_000))
    buckets = (sketch.positive, sketch.negative)
    arrays = [array for part in buckets for array in (part.indexes, part.counts)]
    objects = sum(map(sys.getsizeof, (sketch, *buckets))) + len(arrays) * sys.getsizeof(np.empty(0))
    assert sum(array.nbytes for array in arrays) + objects <= 12_000
    assert all(array.base is None for array in arrays)  # no array keeps a greater one alive


def test_buckets_compare_by_what_they_hold() -> None:
    assert Buckets(np.array([1]), np.array([2])) == Buckets(np.array([1]), np.array([2]))
    assert Buckets(np.array([1]), np.array([2])) != Buckets(np.array([1]), np.array([3]))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_greatest_float_is_a_value_like_others(sign) -> None:
    greatest = sign * float(np.finfo(float).max)
    sketch = NumericSketch.from_values(np.array([1.0, 2.0, 3.0] * 100 + [greatest] * 100))
    for scale in (sketch.scale, 3):
        coarse = sketch.at_scale(scale)
        keys, _ = coarse.keys()
        with np.errstate(all="raise", under="ignore", invalid="ignore"):
            values = key_values(keys, scale)
        assert np.isfinite(values).all()
        assert coarse.quantile(1.0 if sign > 0 else 0.0) == pytest.approx(greatest, rel=0.05)
        # Three in four are 0 beside it: the root of 3/16.
        assert coarse.std / abs(greatest) == pytest.approx(math.sqrt(3 / 16), rel=0.05)


def test_a_column_of_zeros_has_no_deviation() -> None:
    assert NumericSketch.from_values(np.zeros(3)).std == 0.0
