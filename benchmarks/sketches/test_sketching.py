"""What sketching costs, ours and peers': see `table.py` for how to run it.

Each benchmark first asserts that what it times is right. The unit is CPU time a value (``values`` in the extra
information); a peer that is not installed is reported as skipped, by name.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from driftmeter.schema import Column, Model
from driftmeter.sketches import (
    BlockSketcher,
    CategoricalSketch,
    CategoryCounter,
    NumericSketch,
    Snapshot,
    merge_snapshots,
)

SHAPES = [(1_000, 20), (1_000, 100), (100_000, 20), (100_000, 100)]
CATEGORIES = [f"category {i}" for i in range(50)]


def with_nulls(values, rng):
    values[rng.random(values.shape) < 0.03] = np.nan
    return values


KINDS = {
    "normal": lambda rng, shape: with_nulls(rng.normal(size=shape), rng),
    "price": lambda rng, shape: with_nulls(np.round(rng.lognormal(3, 1, shape), 2), rng),
    "year or -999": lambda rng, shape: np.where(rng.random(shape) < 0.02, -999.0, rng.uniform(2013, 2024, shape)),
    "0 or 1": lambda rng, shape: with_nulls(rng.integers(0, 2, shape).astype(float), rng),
}


def block_of(kind, rows, columns):
    return KINDS[kind](np.random.default_rng(0), (rows, columns))


def warm_sketcher(kind, columns):
    """Return a sketcher in the middle of an interval, right about what it was given."""
    sketcher = BlockSketcher(columns)
    block = KINDS[kind](np.random.default_rng(1), (60_000, columns))
    sketcher.add(block)
    for sketch, column in zip(sketcher.take(), block.T, strict=True):
        expected = NumericSketch.from_values(column)
        assert (sketch.scale, sketch.positive, sketch.negative, sketch.total) == (
            expected.scale,
            expected.positive,
            expected.negative,
            expected.total,
        )
    sketcher.add(block)
    return sketcher


def timed(benchmark, function, values, *, group, name):
    benchmark.group, benchmark.name = group, name
    benchmark.extra_info["values"] = values
    rounds = max(min(4_000_000 // values, 60), 3)
    benchmark.pedantic(function, rounds=rounds, iterations=1, warmup_rounds=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_block(benchmark, kind, rows, columns):
    sketcher, block = warm_sketcher(kind, columns), block_of(kind, rows, columns)
    timed(benchmark, lambda: sketcher.add(block), block.size, group=f"block, {kind}", name=f"{rows:,} x {columns}")


@pytest.mark.parametrize("kind", KINDS)
def test_whole_interval_of_100_blocks(benchmark, kind):
    block = block_of(kind, 100_000, 20)

    def interval():
        sketcher = BlockSketcher(20)
        for start in range(0, len(block), 1_000):
            sketcher.add(block[start : start + 1_000])
        return sketcher.take()

    assert [sketch.total for sketch in interval()] == [100_000] * 20
    timed(benchmark, interval, block.size, group="interval: 100 blocks of 1,000 x 20, from none to taken", name=kind)


@pytest.mark.parametrize("rows", [1_000, 10_000, 100_000, 1_000_000])
def test_rows(benchmark, rows):
    sketcher, block = warm_sketcher("price", 20), block_of("price", rows, 20)
    timed(benchmark, lambda: sketcher.add(block), block.size, group="growth with rows, x 20", name=f"{rows:,}")


@pytest.mark.parametrize("columns", [5, 20, 80, 320])
def test_columns(benchmark, columns):
    sketcher, block = warm_sketcher("price", columns), block_of("price", 10_000, columns)
    timed(benchmark, lambda: sketcher.add(block), block.size, group="growth with columns, 10,000 x", name=str(columns))


def test_numpy_sort_for_scale(benchmark):
    block = block_of("normal", 100_000, 20)
    timed(benchmark, lambda: np.sort(block, axis=0), block.size, group="for scale", name="numpy.sort of each column")


@pytest.mark.parametrize("rows", [1_000, 100_000])
def test_whylogs_frame(benchmark, rows):
    why = pytest.importorskip("whylogs", reason="whylogs is not installed")
    pandas = pytest.importorskip("pandas")
    block = block_of("normal", rows, 20)
    frame = pandas.DataFrame(block, columns=[f"f{i}" for i in range(20)])
    profile = why.log(frame).profile()
    assert profile.view().get_column("f0").to_summary_dict()["counts/n"] == rows
    timed(benchmark, lambda: profile.track(frame), block.size, group="peers, numeric", name=f"whylogs, {rows:,} x 20")


def test_datasketches_kll(benchmark):
    datasketches = pytest.importorskip("datasketches", reason="datasketches is not installed")
    block = np.nan_to_num(block_of("normal", 100_000, 20)).astype(np.float32)
    sketches = datasketches.vector_of_kll_floats_sketches(200, 20)
    sketches.update(block)
    assert abs(sketches.get_quantiles(0.5)[0].item()) < 0.1
    timed(benchmark, lambda: sketches.update(block), block.size, group="peers, numeric", name="datasketches KLL vector")


def test_ddsketch(benchmark):
    ddsketch = pytest.importorskip("ddsketch", reason="ddsketch is not installed")
    values = np.nan_to_num(block_of("normal", 10_000, 1)).ravel().tolist()
    sketch = ddsketch.DDSketch(0.01)

    def add():
        for value in values:
            sketch.add(value)

    add()
    assert sketch.count == len(values)
    timed(benchmark, add, len(values), group="peers, numeric", name="ddsketch, a value at a time")


def codes_of(categories, rows=100_000):
    return np.random.default_rng(0).integers(0, categories, rows).astype(np.int16)


@pytest.mark.parametrize("rows", [1_000, 100_000])
@pytest.mark.parametrize("way", ["list", "object array", "codes", "collections.Counter alone"])
def test_categories(benchmark, way, rows):
    codes = codes_of(50, rows)
    column = [CATEGORIES[code] for code in codes]
    array = np.array(column, dtype=object)
    counter = CategoryCounter(CATEGORIES)
    ways = {
        "list": lambda: counter.add(column),
        "object array": lambda: counter.add(array),
        "codes": lambda: counter.add_codes(codes, CATEGORIES),
        "collections.Counter alone": lambda: Counter(column),
    }
    ways[way]()
    assert "Counter" in way or counter.take() == CategoricalSketch(dict(Counter(column)))
    timed(benchmark, ways[way], rows, group=f"50 categories, {rows:,} values", name=way)


@pytest.mark.parametrize("categories", [2, 20, 200, 2_000, 20_000])
def test_number_of_categories(benchmark, categories):
    column = [f"c{code}" for code in codes_of(categories).tolist()]
    counter = CategoryCounter()
    counter.add(column)
    assert counter.take().total == len(column)
    timed(benchmark, lambda: counter.add(column), len(column), group="growth with categories", name=f"{categories:,}")


def test_whylogs_categories(benchmark):
    why = pytest.importorskip("whylogs", reason="whylogs is not installed")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"c": [CATEGORIES[code] for code in codes_of(50)]})
    profile = why.log(frame).profile()
    assert profile.view().get_column("c").to_summary_dict()["counts/n"] == len(frame)
    timed(
        benchmark,
        lambda: profile.track(frame),
        len(frame),
        group="50 categories, 100,000 values",
        name="whylogs, frame",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_merge_100_replicas_of_200_columns(benchmark, kind):
    columns = [Column(f"c{i}") for i in range(200)]
    snapshots = []
    for replica in range(100):
        sketcher = BlockSketcher(200)
        sketcher.add(KINDS[kind](np.random.default_rng(replica), (1_000, 200)))
        snapshots.append(Snapshot(Model("m"), 0, 1, dict(zip(columns, sketcher.take(), strict=True))))
    merged = merge_snapshots(snapshots)
    assert {sketch.total for sketch in merged.columns.values()} == {100_000}
    benchmark.extra_info["buckets"] = sum(
        len(sketch.positive) + len(sketch.negative) for s in snapshots for sketch in s.columns.values()
    )
    timed(benchmark, lambda: merge_snapshots(snapshots), 1, group="merge 100 snapshots of 200 columns", name=kind)
