"""Print pytest-benchmark's JSON as Markdown: milliseconds in all, and microseconds a column, which should not grow.

pytest benchmarks/otlp --benchmark-timer=time.process_time --benchmark-json=otlp.json
python benchmarks/otlp/table.py otlp.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(path: str) -> None:
    print("| work | columns | median, ms | least, ms | median, µs a column |\n|---|---|---|---|---|")
    for entry in json.loads(Path(path).read_text())["benchmarks"]:
        median, least = entry["stats"]["median"], entry["stats"]["min"]
        columns = entry["extra_info"]["columns"]
        work = entry["name"].removeprefix("test_").partition("[")[0].replace("_", " ")
        print(f"| {work} | {columns} | {median * 1e3:.1f} | {least * 1e3:.1f} | {median / columns * 1e6:.1f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
