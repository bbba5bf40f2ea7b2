"""Print what a step of a processor costs that watches many models: CPU time and memory a column.

python benchmarks/processor_scale.py                             # 1000 models x 100 columns, some minutes
python benchmarks/processor_scale.py --models 20 --blocks 24     # baselines that know how their columns vary

Window and step are the defaults, an hour and a minute, and windows are full before anything is measured: each step
counts some snapshots a model, one of each replica, and evaluates each model's window. An hour's sketches are made
beforehand and served again and again under each model's name, so that each window has all of them. Each model has a
baseline's grid of its own. Before anything is timed, the column that is moved must be found, and no other.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psutil
import scipy.special  # noqa: F401  # imported when it is first needed

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

MINUTE = 60 * 10**9
START = 1_700_000_000 * 10**9 // (60 * MINUTE) * 60 * MINUTE
STEPS = 60
ROWS = 200
BASELINE_ROWS = 20_000
MOVED = "n0"


def frame(rng: np.random.Generator, rows: int, columns: int, *, moved: bool = False) -> dict[str, np.ndarray]:
    """Return four fifths numeric columns, of both signs, skewed and whole, and one fifth categories."""
    made = [
        lambda: rng.normal(size=rows),
        lambda: rng.lognormal(3.0, 1.0, rows),
        lambda: rng.poisson(30.0, rows).astype(float),
        lambda: np.where(rng.random(rows) < 0.1, np.nan, rng.exponential(size=rows)),
    ]
    numbers = {f"n{i}": made[i % len(made)]() for i in range(columns - columns // 5)}
    texts = {f"c{i}": (rng.power(0.3, rows) * (3, 20, 100)[i % 3]).astype(int).astype(str) for i in range(columns // 5)}
    if moved:
        numbers[MOVED] = numbers[MOVED] + 0.5
    return numbers | {name: values.astype(object) for name, values in texts.items()}


class Fleet:
    """A processor and what it is served."""

    def __init__(self, models: int, columns: int, *, replicas: int, blocks: int) -> None:
        rng = np.random.default_rng(0)
        rows = STEPS * ROWS * replicas * blocks or BASELINE_ROWS
        built = Baseline.from_frame(frame(rng, rows, columns), model="m", block_rows=rows // blocks if blocks else 0)
        self.models = [Model(f"m{i}") for i in range(models)]
        given = {model: [replace(built, snapshot=replace(built.snapshot, model=model))] for model in self.models}
        self.processor = Processor(Config(), baselines=lambda model: given[model])
        self.replicas = replicas
        self.minute = 0
        self.serve(columns)

    def serve(self, columns: int, *, moved: bool = False) -> None:
        """Make the sketches that are served from now on."""
        rng = np.random.default_rng([1, moved])
        self.served = [
            dict(Baseline.from_frame(frame(rng, ROWS, columns, moved=moved), model="m").snapshot.columns)
            for _ in range(STEPS * self.replicas)
        ]

    def snapshots(self) -> Iterator[Snapshot]:
        start = START + self.minute * MINUTE
        for at, model in enumerate(self.models):
            for replica in range(self.replicas):
                columns = self.served[((self.minute + at) * self.replicas + replica) % len(self.served)]
                yield Snapshot(model, start, start + MINUTE, columns)

    def step(self) -> None:
        """Serve a minute and evaluate."""
        self.processor.add(self.snapshots())
        self.minute += 1
        self.processor.advance(START + self.minute * MINUTE)


def check(columns: int, *, replicas: int, blocks: int) -> None:
    """Serve one model for an hour, and for another one with a column moved."""
    fleet = Fleet(1, columns, replicas=replicas, blocks=blocks)
    for moved in (False, True):
        fleet.serve(columns, moved=moved)
        for _ in range(STEPS):
            fleet.step()
        (comparison,) = fleet.processor.latest()[fleet.models[0]].comparisons
        found = {verdict.column.name for verdict in comparison.verdicts if verdict.detected}
        assert len(comparison.verdicts) == columns
        assert found == ({MOVED} if moved else set()), found


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--replicas", type=int, default=2, help="snapshots of a model a step")
    parser.add_argument("--blocks", type=int, default=0, help="blocks of each baseline, an hour each")
    parser.add_argument("--steps", type=int, default=5, help="steps to measure, once windows are full")
    options = parser.parse_args()
    check(options.columns, replicas=options.replicas, blocks=options.blocks)
    fleet = Fleet(options.models, options.columns, replicas=options.replicas, blocks=options.blocks)
    cells = options.models * options.columns
    before = resident()
    fleet.step()
    first = resident()
    for _ in range(STEPS):
        fleet.step()
    full = resident()
    seconds, signals = [], []
    for _ in range(options.steps):
        began = time.process_time()
        fleet.step()
        seconds.append(time.process_time() - began)
        began = time.process_time()
        told = fleet.processor.signals()
        signals.append(time.process_time() - began)
    points = sum(len(list(values)) for values in told.values())
    print(f"{options.models:,} models x {options.columns} columns, {options.replicas} snapshots each a step")
    cost, telling = float(np.median(seconds)), float(np.median(signals))
    print(f"a step: {cost:.2f} s CPU, {1e6 * cost / cells:.1f} us a column")
    print(f"its {points:,} signals: {telling:.2f} s CPU, {1e6 * telling / cells:.1f} us a column")
    kept, stepped = (first - before) / cells, (full - first) / cells / (STEPS - 1)
    print(f"memory: {kept:,.0f} bytes a column with its baseline's grid, {stepped:,.0f} more for each step of a window")


if __name__ == "__main__":
    main()
