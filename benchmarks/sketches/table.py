"""Print pytest-benchmark's JSON as Markdown: the medians, for each value or call.

pip install pytest-benchmark ddsketch datasketches whylogs
pytest benchmarks/sketches --benchmark-timer=time.process_time --benchmark-json=sketches.json
python benchmarks/sketches/table.py sketches.json
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path


def main(path: str) -> None:
    report = json.loads(Path(path).read_text())
    group = "group"
    for name, entries in groupby(sorted(report["benchmarks"], key=lambda entry: entry[group]), lambda e: e[group]):
        print(f"| {name} | median | least |\n|---|---|---|")
        for entry in entries:
            print(f"| {entry['name']} | {_cost(entry, 'median')} | {_cost(entry, 'min')} |")
        print()


def _cost(entry: dict, statistic: str) -> str:
    seconds, values = entry["stats"][statistic], entry["extra_info"]["values"]
    return f"{seconds * 1e3:.1f} ms" if values == 1 else f"{seconds / values * 1e9:.1f} ns a value"


if __name__ == "__main__":
    main(*sys.argv[1:])
