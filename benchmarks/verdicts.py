"""From two arrays to verdicts on every column: driftmeter, and the peers where they install.

    python benchmarks/verdicts.py                                          driftmeter alone, 100,000 x 200
    python benchmarks/verdicts.py --nannyml PYTHON --evidently PYTHON      interpreters of environments that have them
    python benchmarks/verdicts.py --rows 10000 --columns 50

Each runs in a process of its own, after its imports, several times; the median is told. Before anything is timed each
must find the columns that were moved, and driftmeter no other.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

MOVED = 10
SHIFT = 0.1


def arrays(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a baseline and a window whose first columns are moved by a tenth of a standard deviation."""
    rng = np.random.default_rng(0)
    baseline, live = rng.standard_normal((rows, columns)), rng.standard_normal((rows, columns))
    live[:, :MOVED] += SHIFT
    return baseline, live


def driftmeter(baseline: np.ndarray, live: np.ndarray) -> Callable[[], set[int]]:
    """Return what sketches both arrays and gives the columns with a verdict of 1."""
    import scipy.special  # noqa: F401  # imported when it is first needed, as peers import theirs at once

    from driftmeter import Baseline
    from driftmeter.config import Config
    from driftmeter.processor import Comparer, Rules
    from driftmeter.schema import Column, Model
    from driftmeter.sketches import BlockSketcher, Snapshot

    columns = [Column(f"f{at}") for at in range(live.shape[1])]

    def run() -> set[int]:
        comparer = Comparer(Baseline.from_frame(baseline, model="m"))
        sketcher = BlockSketcher(len(columns))
        sketcher.add(live)
        window = comparer.count(Snapshot(Model("m"), 0, 1, dict(zip(columns, sketcher.take(), strict=True))))
        verdicts = comparer.verdicts(window, Rules(Config(effect_floor=0.02), Model("m")))
        return {int(verdict.column.name[1:]) for verdict in verdicts if verdict.detected}

    return run


def nannyml(baseline: np.ndarray, live: np.ndarray) -> Callable[[], set[int]]:
    """Return the same by NannyML: Jensen-Shannon of each column, one chunk."""
    import nannyml as nml
    import pandas as pd

    names = [f"f{i}" for i in range(baseline.shape[1])]
    frames = pd.DataFrame(baseline, columns=names), pd.DataFrame(live, columns=names)

    def run() -> set[int]:
        calculator = nml.UnivariateDriftCalculator(
            column_names=names, continuous_methods=["jensen_shannon"], chunk_number=1
        )
        found = calculator.fit(frames[0]).calculate(frames[1]).filter(period="analysis").to_df()
        values = found.xs("value", axis=1, level=2).iloc[0]
        return {int(name[1:]) for name, *_ in values.sort_values().index[-MOVED:]}

    return run


def evidently(baseline: np.ndarray, live: np.ndarray) -> Callable[[], set[int]]:
    """Return the same by Evidently's preset, with PSI."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    names = [f"f{i}" for i in range(baseline.shape[1])]
    frames = pd.DataFrame(baseline, columns=names), pd.DataFrame(live, columns=names)

    def run() -> set[int]:
        snapshot = Report([DataDriftPreset(method="psi")]).run(reference_data=frames[0], current_data=frames[1])
        values = {}
        for metric in snapshot.dict()["metrics"]:
            name = str(metric.get("config", {}).get("column") or metric.get("metric_id", ""))
            if isinstance(metric["value"], float) and name.removeprefix("f").isdigit():
                values[int(name[1:])] = metric["value"]
        return set(sorted(values, key=lambda at: values[at])[-MOVED:])

    return run


TOOLS = {"driftmeter": driftmeter, "nannyml": nannyml, "evidently": evidently}


def measure(tool: str, rows: int, columns: int, times: int) -> dict[str, Any]:
    """Return the tool's CPU seconds and the process's memory at its highest, megabytes."""
    data = arrays(rows, columns)
    run = TOOLS[tool](*data)
    found = run()
    assert set(range(MOVED)) <= found, f"{tool} did not find the columns that were moved: {sorted(found)}"
    assert tool != "driftmeter" or found == set(range(MOVED)), f"and others: {sorted(found)}"
    seconds = []
    for _ in range(times):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cpu_s": statistics.median(seconds), "mb": highest / 1024}


def main() -> None:
    """Measure each tool in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--run", choices=TOOLS, help=argparse.SUPPRESS)
    for peer in ("nannyml", "evidently"):
        parser.add_argument(f"--{peer}", metavar="PYTHON", help=f"an interpreter that has {peer}")
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options.run, options.rows, options.columns, options.times)))
        return
    size = 8e-6 * options.rows * options.columns
    print(f"two float64 arrays of {options.rows:,} x {options.columns}, {size:.0f} MB each")
    print("tool         CPU, s   peak, MB")
    interpreters = {"driftmeter": sys.executable, "nannyml": options.nannyml, "evidently": options.evidently}
    for tool, python in interpreters.items():
        if not python:
            print(f"{tool:12} not asked for: --{tool} PYTHON")
            continue
        times = options.times if tool == "driftmeter" else 1
        command = [python, __file__, "--run", tool, "--rows", str(options.rows), "--columns", str(options.columns)]
        done = subprocess.run([*command, "--times", str(times)], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{tool:12} does not run: {done.stderr.strip().splitlines()[-1]}")
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        print(f"{tool:12} {told['cpu_s']:6.2f}   {told['mb']:8.0f}")


if __name__ == "__main__":
    main()
