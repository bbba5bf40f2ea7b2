"""Columns of many categories: which come out on top of a baseline by chance is no drift."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter.baseline import Baseline
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, Snapshot

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
