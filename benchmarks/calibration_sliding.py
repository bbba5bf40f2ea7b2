"""The part of `calibration.py` that slides windows by a minute through a real processor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.schema import Column, Model
from driftmeter.sketches import MAX_SCALE, Buckets, NumericSketch, Snapshot

COLUMNS = 200
MINUTE = 60 * 10**9
START = 1_700_000_000 * 10**9 // (60 * MINUTE) * 60 * MINUTE
MODEL = Model("m")
NAMES = [Column(f"f{i}") for i in range(COLUMNS)]


def sketched(rows: int, rng: np.random.Generator) -> dict[Column, NumericSketch]:
    """Return sketches of normal columns, at the finest scale: many times faster than one column after the other."""
    values = np.sort(rng.standard_normal((COLUMNS, rows)), axis=1)
    below = np.count_nonzero(values < 0, axis=1).tolist()
    indexes = np.floor(np.log2(np.abs(values)) * 2.0**MAX_SCALE).astype(np.int64)
    apart = (np.diff(indexes, axis=1) != 0).all(axis=1).tolist()
    ones = np.ones(rows, dtype=np.int64)
    made = {}
    for name, own, index, split, is_apart in zip(NAMES, values, indexes, below, apart, strict=True):
        made[name] = (
            NumericSketch(
                positive=Buckets(index[split:], ones[split:]),
                negative=Buckets(index[:split][::-1], ones[:split]),
                sum=float(own.sum()),
                min=float(own[0]),
                max=float(own[-1]),
            )
            if is_apart
            else NumericSketch.from_values(own)  # two in one bucket, or one of each sign beside each other
        )
    return made


def alarms(days: int, rows: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return how often any verdict of skew turned to 1 in so many days, and any of quality, at the default settings."""
    baseline = Baseline.from_frame(rng.standard_normal((20_000, COLUMNS)), model=MODEL.name)
    columns = dict(zip(NAMES, baseline.snapshot.columns.values(), strict=True))
    baseline = Baseline(Snapshot(MODEL, 0, 1, columns), id="simulated")
    processor = Processor(Config(), baselines=lambda _: [baseline])
    turned = {"ml.skew.detected": 0, "ml.quality.violated": 0}
    for minute in range(days * 1440):
        start = START + minute * MINUTE
        processor.add([Snapshot(MODEL, start, start + MINUTE, sketched(int(rng.poisson(rows)), rng))])
        names = {event.name for event in processor.advance(start + MINUTE)}
        for name in turned:
            turned[name] += name in names
    (comparison,) = processor.latest()[MODEL].comparisons
    assert len(comparison.verdicts) == COLUMNS
    return turned["ml.skew.detected"], turned["ml.quality.violated"]


def sliding_windows(runs: int, seed: int, *, days: int = 30) -> Iterator[str]:
    rows = 17
    found = np.array([alarms(days, rows, np.random.default_rng([seed, 2, run])) for run in range(runs)])
    yield from told(found, days=days, rows=rows)


def told(found: np.ndarray, *, days: int, rows: int) -> Iterator[str]:
    """Tell the alarms of each run, shape (runs, 2)."""
    yield "## Windows that slide"
    yield ""
    yield (
        f"The same columns at the default settings: windows of an hour, {60 * rows:,} rows, that slide by a minute, "
        f"{days * 1440:,} looks in {days} days, all through the processor with one training baseline of 20,000 rows. "
        f"Minutes in which any of the {COLUMNS} columns' verdicts turned to 1, {len(found)} runs; the bar is 1 in the "
        "median run."
    )
    yield ""
    yield "| | each run | median | mean |"
    yield "|---|---|---|---|"
    for name, numbers in zip(("skew", "quality"), found.T, strict=True):
        each = ", ".join(str(number) for number in np.sort(numbers))
        yield f"| {name} | {each} | {np.median(numbers):g} | {numbers.mean():.2f} |"
    yield ""
