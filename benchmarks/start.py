"""Print what a service's start under ``opentelemetry-instrument`` takes, beside the same program started plainly.

pip install -e .
python benchmarks/start.py [--without PYTHON]

The program imports numpy and scipy.special, as what serves models does; OTLP/HTTP exporters carry all three signals.
PYTHON is that of an environment with the same OpenTelemetry packages and without driftmeter: it tells their own part.
Medians of the process's CPU time and resident memory at the program's end, starts taking turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 12
PROGRAM = """
import os, sys, time, numpy, scipy.special
import psutil
assert ("driftmeter" in sys.modules) is {watched}
print(time.process_time(), psutil.Process().memory_info().rss / 1e6, flush=True)
os._exit(0)  # what the exporters do at exit is no part of the start
"""
SETTINGS = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    **{f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("METRICS", "TRACES", "LOGS")},
}


def started(command: list[str], *, watched: bool) -> tuple[float, float]:
    """Return the CPU seconds and the MB of one start."""
    program = [*command, "-c", PROGRAM.format(watched=watched)]
    told = subprocess.run(program, env={**os.environ, **SETTINGS}, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, megabytes = map(float, told.split())
    return seconds, megabytes


def instrumented(python: str) -> list[str]:
    """Return the command that starts a Python of some environment under ``opentelemetry-instrument``."""
    return [str(Path(python).with_name("opentelemetry-instrument")), python]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", metavar="PYTHON", default="")
    without = parser.parse_args().without
    commands = {"plain": ([sys.executable], False), "driftmeter": (instrumented(sys.executable), True)}
    if without:
        commands["OpenTelemetry alone"] = instrumented(without), False
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for at in range(ROUNDS + 1):
        for name, (command, watched) in commands.items():
            one = started(command, watched=watched)
            if at:  # the first start compiles what it imports
                found[name].append(one)
    medians = {name: [statistics.median(part) for part in zip(*each, strict=True)] for name, each in found.items()}
    plain = medians.pop("plain")
    print("| beside the plain program | CPU, s | resident MB |\n|---|---|---|")
    for name, (seconds, megabytes) in medians.items():
        print(f"| {name} | {seconds - plain[0]:.2f} | {megabytes - plain[1]:.1f} |")


if __name__ == "__main__":
    main()
