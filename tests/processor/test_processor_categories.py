"""Columns of many categories: which come out on top of a baseline by chance is no drift."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor import Comparer, Processor, Rules, all_named, describe
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, Snapshot, merge_snapshots

SECOND = 1_000_000_000
MODEL = Model("m")
COLUMNS = [Column(f"x{at}", kind="categorical") for at in range(60)]


def snapshot(rng: np.random.Generator, shares: np.ndarray, *, rows: int, names: int) -> Snapshot:
    sketches = {}
    for column, counts in zip(COLUMNS, rng.multinomial(rows, shares, size=len(COLUMNS)), strict=True):
        kept = np.argsort(-counts, kind="stable")[:names]
        named = {f"c{at}": int(counts[at]) for at in kept.tolist() if counts[at]}
        sketches[column] = CategoricalSketch(named, other=rows - sum(named.values()))
    return Snapshot(MODEL, 1000 * SECOND, 1001 * SECOND, sketches)


@pytest.mark.parametrize("rows", [1000, 20_000])
@pytest.mark.parametrize(("categories", "rank"), [(200, 0.0), (200, 1.0), (3000, 0.0), (3000, 1.0)])
def test_a_column_of_many_categories_is_quiet_where_nothing_changed(categories, rank, rows) -> None:
    rng = np.random.default_rng(categories)
    shares = np.arange(1.0, categories + 1) ** -rank
    shares /= shares.sum()
    baseline = Baseline(snapshot(rng, shares, rows=rows, names=1000), "training")
    processor = Processor(Config(window=10, step=10, effect_floor=0.0), baselines=lambda _: [baseline])
    processor.add([snapshot(rng, shares, rows=4000, names=3000)])
    processor.advance(1010 * SECOND)
    evaluation = processor.latest()[MODEL]
    assert not any(verdict.detected for found in evaluation.comparisons for verdict in found.verdicts)
    assert not any(finding.violated for finding in evaluation.findings)


def test_a_frequent_category_that_doubles_is_found_among_thousands() -> None:
    rng = np.random.default_rng(5)
    shares = 1.0 / np.arange(1.0, 3001)
    shares /= shares.sum()
    baseline = Baseline(snapshot(rng, shares, rows=20_000, names=1000), "training")
    shares[3] *= 2.0
    processor = Processor(Config(window=10, step=10, effect_floor=0.0), baselines=lambda _: [baseline])
    processor.add([snapshot(rng, shares / shares.sum(), rows=4000, names=3000)])
    processor.advance(1010 * SECOND)
    (found,) = processor.latest()[MODEL].comparisons
    assert sum(verdict.detected for verdict in found.verdicts) >= 0.9 * len(COLUMNS)


ALIKE = np.full(200, 1 / 200)


def verdicts_of(baseline: Snapshot, *windows: Snapshot) -> list:
    comparer = Comparer(Baseline(baseline, "training"))
    first, *more = [comparer.count(window) for window in windows]
    return comparer.verdicts(sum(more, start=first), Rules(Config(effect_floor=0.0), MODEL))


@pytest.mark.parametrize(("rows0", "rows"), [(1000, 300), (1_000_000, 150)])
def test_half_of_many_rare_categories_that_vanish_are_missed(rows0, rows) -> None:
    rng = np.random.default_rng(6)
    half = np.where(np.arange(200) % 3 == 0, 0.0, 1.0)
    half[100:] *= np.arange(100) % 4 == 1
    baseline = snapshot(rng, ALIKE, rows=rows0, names=1000)
    quiet = verdicts_of(baseline, snapshot(rng, ALIKE, rows=rows, names=1000))
    found = verdicts_of(baseline, snapshot(rng, half / half.sum(), rows=rows, names=1000))
    assert len(quiet) == len(found) == len(COLUMNS)
    assert not any(verdict.detected for verdict in quiet)
    assert sum(verdict.detected for verdict in found) >= 0.9 * len(COLUMNS)


def test_one_of_many_rare_categories_that_grows_is_called_by_its_name_in_whatever_steps_it_comes() -> None:
    rng = np.random.default_rng(7)
    grown = ALIKE.copy()
    grown[123] = 0.2
    grown[199] = 0.0
    baseline = snapshot(rng, np.append(ALIKE[:-1], 0.0) / ALIKE[:-1].sum(), rows=1000, names=1000)
    steps = [snapshot(rng, grown / grown.sum(), rows=50, names=1000) for _ in range(4)]
    verdicts = verdicts_of(baseline, *steps)
    assert all(verdict.detected and "c123 went from" in describe(verdict) for verdict in verdicts)
    assert [verdict.binned.rows for verdict in verdicts] == [200] * len(COLUMNS)
    whole = verdicts_of(baseline, merge_snapshots(steps))
    assert [verdict.p_value for verdict in whole] == [verdict.p_value for verdict in verdicts]


def test_categories_that_the_baseline_does_not_know_are_drift_and_told_as_others() -> None:
    rng = np.random.default_rng(8)
    known = np.append(np.ones(150), np.zeros(50)) / 150
    baseline = snapshot(rng, known, rows=20_000, names=1000)
    verdicts = verdicts_of(baseline, snapshot(rng, ALIKE, rows=100, names=1000))
    assert all(verdict.detected for verdict in verdicts)
    assert all("other categories went from 0 % to" in describe(verdict) for verdict in verdicts)


def test_where_names_were_lost_nothing_is_told_by_their_hash() -> None:
    column = Column("x", kind="categorical")
    counts = {f"c{at}": 5 for at in range(200)}
    whole, cut = (Snapshot(MODEL, 0, 1, {column: CategoricalSketch(counts, other=other)}) for other in (0, 50))
    assert all_named(Baseline(whole, "training")) == {column}
    assert all_named(Baseline(cut, "training")) == set()
    assert all_named(Baseline(whole, "training", blocks=(cut,))) == set()
    assert verdicts_of(whole, whole)
    assert not verdicts_of(cut, whole)


def test_blocks_keep_the_categories_that_have_bins_so_that_chance_in_a_block_is_no_variation() -> None:
    rng = np.random.default_rng(9)
    rows = rng.integers(0, 200, 20_000)
    days = np.arange(20_000) // 1000
    named = np.array([f"c{at}" for at in range(200)], dtype=object)
    whole = Baseline.from_frame({"x": named[rows]}, model="m", time=days * 86_400.0, block="1d")
    column = Column("x", kind="categorical")
    assert len(whole.blocks) >= 19
    assert all(len(block.columns[column].counts) > 180 and not block.columns[column].other for block in whole.blocks)
    comparer = Comparer(whole)
    p_values = []
    for law in (ALIKE, np.where(np.arange(200) % 2, 2.0, 0.0) / 200):
        counts = rng.multinomial(1000, law)
        sketch = CategoricalSketch({f"c{at}": int(count) for at, count in enumerate(counts) if count})
        window = comparer.count(Snapshot(MODEL, 0, 1, {column: sketch}))
        p_values += [verdict.p_value for verdict in comparer.verdicts(window, Rules(Config(), MODEL))]
    assert p_values[0] > 0.01
    assert p_values[1] < 1e-6
