"""Sketching a block of all columns equals sketching the columns one by one, bucket for bucket."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketch_distributions import DISTRIBUTIONS

from driftmeter.sketches import MAX_BUCKETS, BlockSketcher, NumericSketch, lower_boundary


def assert_same(sketch: NumericSketch, values: np.ndarray, *, max_buckets: int = MAX_BUCKETS) -> None:
    values = np.asarray(values, dtype=np.float64)
    expected = NumericSketch.from_values(values, max_buckets=max_buckets)
    assert sketch.scale == expected.scale
    assert sketch.positive == expected.positive
    assert sketch.negative == expected.negative
    for count in ("zero_count", "missing", "non_finite", "mismatched", "count", "total"):
        assert getattr(sketch, count) == getattr(expected, count), count
    assert np.array_equal([sketch.min, sketch.max], [expected.min, expected.max], equal_nan=True)
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        scale = np.abs(finite).sum()
    assert not math.isfinite(scale) or math.isclose(sketch.sum, math.fsum(finite), rel_tol=0, abs_tol=1e-12 * scale)


def sketched(blocks: list[np.ndarray], *, max_buckets: int = MAX_BUCKETS) -> list[NumericSketch]:
    sketcher = BlockSketcher(blocks[0].shape[1], max_buckets=max_buckets)
    for block in blocks:
        sketcher.add(block)
    return sketcher.take()


def assert_same_table(table: np.ndarray, *, rows: int) -> None:
    blocks = [table[start : start + rows] for start in range(0, len(table), rows)]
    for column, sketch in enumerate(sketched(blocks)):
        assert_same(sketch, table[:, column])


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """Every distribution side by side, 5 % of it missing."""
    rng = np.random.default_rng(5)
    columns = np.column_stack([draw(rng, 12_000) for draw, _ in DISTRIBUTIONS.values()])
    columns[rng.random(columns.shape) < 0.05] = np.nan
    return columns


@pytest.mark.parametrize("rows", [700, 1_024, 5_000, 12_000])
def test_a_block_equals_its_columns_whatever_the_size_of_blocks(table: np.ndarray, rows: int) -> None:
    assert_same_table(table, rows=rows)


def test_more_columns_than_a_table_holds(table: np.ndarray) -> None:
    assert_same_table(np.tile(table[:4_000], (1, 3)), rows=1_500)


def test_few_columns_in_long_blocks() -> None:
    assert_same_table(np.random.default_rng(0).normal(size=(90_000, 1)), rows=90_000)


def test_values_of_all_magnitudes_and_signs() -> None:
    rng = np.random.default_rng(1)
    values = np.exp2(rng.uniform(-1074, 1024, (20_000, 3))) * rng.choice([-1, 1], (20_000, 3))
    assert_same_table(values, rows=3_000)


def test_subnormals_zeros_and_infinities_among_ordinary_values() -> None:
    rng = np.random.default_rng(2)
    odd = np.array([0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, np.inf, -np.inf, np.nan, np.finfo(float).max])
    table = np.where(rng.random((9_000, 4)) < 0.3, rng.choice(odd, (9_000, 4)), rng.normal(size=(9_000, 4)))
    assert_same_table(table, rows=2_000)


def test_a_range_that_grows_from_block_to_block() -> None:
    rng = np.random.default_rng(3)
    grown = np.concatenate([rng.normal(5, 10.0**k, (3_000, 2)) for k in range(-6, 7)])
    assert_same_table(grown, rows=3_000)


def test_columns_without_a_value_or_with_nothing_but_zeros_infinities_or_one_value() -> None:
    table = np.tile([np.nan, 0.0, np.inf, 5e-324, 1.0, -1.0], (5_000, 1))
    assert_same_table(table, rows=2_000)


@pytest.mark.parametrize("spread", [1e-5, 1e-3, 0.1, 1, 20])
def test_values_beside_the_boundaries_of_the_buckets_in_use(spread: float) -> None:
    rng = np.random.default_rng(4)
    bulk = np.exp(spread * rng.normal(size=3_000)) * 2
    scale = NumericSketch.from_values(bulk).scale
    known = NumericSketch.from_values(bulk).positive.indexes
    boundaries = lower_boundary(np.concatenate((known, known + 1)), scale).view(np.int64)
    powers = np.ldexp(1.0, np.arange(-60, 60)).view(np.int64)
    near = [edges + ulps for edges in (boundaries, powers) for ulps in (-4097, -4096, -90, -1, 0, 1, 90, 4095, 4096)]
    column = np.concatenate([bulk, np.concatenate(near).view(np.float64)])
    assert_same_table(np.column_stack((column, -column)), rows=3_000)


def test_many_buckets_or_few() -> None:
    values = np.random.default_rng(6).normal(size=(6_000, 2))
    for max_buckets in (1, 20, 5_000):
        for sketch, column in zip(sketched([values], max_buckets=max_buckets), values.T, strict=True):
            assert_same(sketch, column, max_buckets=max_buckets)


numbers = st.one_of(
    st.floats(),
    st.integers(-5, 5).map(float),
    st.integers(-1074, 1023).map(lambda exponent: math.ldexp(1.0, exponent)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(numbers, min_size=2, max_size=2), max_size=60), st.integers(0, 2**32), st.integers(1, 2_000))
def test_any_values_after_any_others(rows: list[list[float]], seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    usual = rng.lognormal(rng.normal(), abs(rng.normal()), (1_200, 2)) * rng.choice([-1, 1, 1], (1_200, 2))
    assert_same_table(np.concatenate((usual, np.array(rows).reshape(-1, 2))), rows=size)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.int8, np.uint8, np.bool_])
def test_other_types_than_float64(dtype: type) -> None:
    block = np.random.default_rng(7).integers(0, 2, (3_000, 3)).astype(dtype) * dtype(1)
    for sketch, column in zip(sketched([block, block]), block.T, strict=True):
        assert_same(sketch, np.concatenate((column, column)))


def test_any_layout_of_the_block(table: np.ndarray) -> None:
    wide = np.repeat(table[:3_000], 2, axis=1)
    read_only = table[:3_000].copy()
    read_only.flags.writeable = False
    for block in (np.asfortranarray(table[:3_000]), wide[:, ::2], table[3_000:0:-1][:3_000], read_only):
        before = block.copy()
        for sketch, column in zip(sketched([block]), before.T, strict=True):
            assert_same(sketch, column)
        assert np.array_equal(block, before, equal_nan=True)


def test_take_starts_anew(table: np.ndarray) -> None:
    sketcher = BlockSketcher(table.shape[1])
    sketcher.add(table)
    sketcher.take()
    assert all(sketch == NumericSketch() or sketch.total == 0 for sketch in sketcher.take())
    sketcher.add(table[:50])
    for sketch, column in zip(sketcher.take(), table[:50].T, strict=True):
        assert_same(sketch, column)


def test_empty_blocks_and_no_columns() -> None:
    assert [sketch.total for sketch in sketched([np.empty((0, 3))])] == [0, 0, 0]
    assert sketched([np.empty((5, 0))]) == []


def test_a_block_of_another_shape_is_refused_with_both_shapes_named() -> None:
    with pytest.raises(ValueError, match=r"\(n, 3\); got \(5, 2\)"):
        BlockSketcher(3).add(np.zeros((5, 2)))


def test_numpys_buffer_size_is_as_before(table: np.ndarray) -> None:
    before = np.getbufsize()
    sketched([table])
    with pytest.raises(ValueError, match="could not convert"):
        BlockSketcher(1).add(np.array([["a"]] * 5_000))
    assert np.getbufsize() == before


@pytest.mark.parametrize("name", ["normal", "uniform", "lognormal 1", "year", "year or -999", "0 or 1"])
def test_a_running_sketcher_holds_20_kilobytes_a_column_or_less(name: str) -> None:
    columns = 31
    draw, _ = DISTRIBUTIONS[name]
    rng = np.random.default_rng(0)
    blocks = [np.column_stack([draw(rng, 10_000) for _ in range(columns)]) for _ in range(7)]
    sketched(blocks[:1])  # the thread's work space
    sketcher = BlockSketcher(columns)
    tracemalloc.start()
    try:
        for block in blocks:
            sketcher.add(block)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 20_000 * columns
    assert {sketch.total for sketch in sketcher.take()} == {70_000}


def test_windows_opened_again_and_again_lose_no_count() -> None:
    rng = np.random.default_rng(8)
    table = np.column_stack((rng.normal(size=300_000), 1.6 + 0.01 * rng.random(300_000), rng.standard_cauchy(300_000)))
    assert_same_table(table, rows=20_000)


def test_few_numbers_that_come_again_and_again_infinities_and_zeros_among_them() -> None:
    rng = np.random.default_rng(9)
    counts = rng.poisson(7, (40_000, 5)) * rng.choice([1.0, -1.0, np.nan, 0.0], (40_000, 5), p=[0.7, 0.2, 0.05, 0.05])
    counts[:, 1] = 2_013 + counts[:, 1] % 12
    counts[:, 2] += np.where(rng.random(40_000) < 0.2, np.inf, 0)
    counts[:, 3] = rng.normal(size=40_000)
    assert_same_table(counts, rows=3_000)
