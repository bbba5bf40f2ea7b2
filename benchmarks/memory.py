"""Print how much memory driftmeter takes beside the OpenTelemetry SDK, in all and by part.

pip install -e .
python benchmarks/memory.py [--files]

Ten models of 100 columns each (80 numeric and 18 categorical features, a label, a score) serve for an hour, 20 calls of
50 rows a minute each, by a clock that is set; window, step and all else are the defaults. A delta and a cumulative
reader collect every minute and encode some of what they get as OTLP does. Each row of the first table is a process of
its own, and all have imported numpy, scipy.special and the SDK. Resident memory is read just before the last
collection, when most is held.
`--files` lists where the most memory was allocated, by tracemalloc.
"""

# ruff: noqa: SLF001  # what holds memory is private
from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import tracemalloc
import types
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import scipy.special  # noqa: F401  # as any service has it that serves models
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader

MODELS = 10
BATCH = 50
CALLS = 20
ROWS = CALLS * BATCH
MINUTES = 60
BLOCKS = 40
BLOCK_ROWS = 1000
MINUTE = 60 * 10**9
START = 1_700_000_040 * 10**9 // (60 * MINUTE) * 60 * MINUTE
BAR = 24
NUMERIC = 80
CATEGORICAL = 18
EACH = 20
FEATURES = [f"n{i}" for i in range(NUMERIC)] + [f"c{i}" for i in range(CATEGORICAL)]


class Clock:
    """Unix nanoseconds that only move when they are told to."""

    now = START

    def __call__(self) -> int:
        return self.now


class Encodes(MetricReader):
    """Encodes what it collects, as an OTLP exporter does, and forgets it."""

    points = collections = 0

    def _receive_metrics(self, metrics_data, timeout_millis=0, **_):  # noqa: ARG002
        self.collections += 1
        if self.collections % EACH == 0:  # it takes long, and the same memory each time
            encode_metrics(metrics_data).SerializeToString()
        self.points = sum(
            point.count
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if metric.name == "ml.column.value" and point.attributes["ml.column.name"] == "n0"
        )

    def shutdown(self, timeout_millis=0, **_): ...


def rows_of(rng: np.random.Generator, rows: int) -> list[Any]:
    """Return the values of the features: of both signs, skewed, whole and far from zero; texts of 3 to 100."""
    made = [
        lambda: rng.normal(size=rows),
        lambda: rng.lognormal(3.0, 1.0, rows),
        lambda: rng.poisson(30.0, rows).astype(np.float64),
        lambda: rng.normal(1000.0, 10.0, rows),
        lambda: np.where(rng.random(rows) < 0.1, np.nan, rng.exponential(size=rows)),
    ]
    numbers = [made[i % len(made)]() for i in range(NUMERIC)]
    texts = [
        np.char.add("category ", (rng.power(0.3, rows) * (3, 20, 100)[i % 3]).astype(int).astype(str))
        for i in range(CATEGORICAL)
    ]
    return [*numbers, *texts]


def resident() -> float:
    """Return this process's resident memory in MB."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def readers() -> tuple[Encodes, Encodes]:
    return Encodes(preferred_temporality={Counter: AggregationTemporality.DELTA}), Encodes()


def bare() -> dict[str, Any]:
    """Count and time the same calls by the SDK alone."""
    delta, cumulative = readers()
    provider = MeterProvider([delta, cumulative])
    meter = provider.get_meter("bare")
    counter, duration = meter.create_counter("rows"), meter.create_histogram("duration")
    rng = np.random.default_rng(0)
    for minute in range(MINUTES):
        for model in range(MODELS):
            for _ in range(CALLS):
                rows_of(rng, BATCH)
                counter.add(BATCH, {"model": f"m{model}"})
                duration.record(0.001, {"model": f"m{model}"})
        if minute < MINUTES - 1:
            delta.collect()
            cumulative.collect()
    return {"resident": resident()}


def instrumented() -> dict[str, Any]:
    """Do the same with what `opentelemetry-instrument` imports, whatever it instruments."""
    import opentelemetry.instrumentation.instrumentor  # noqa: F401

    return bare()


def imported() -> dict[str, Any]:
    """Do the same with driftmeter imported, and not used."""
    import driftmeter.exporter
    import driftmeter.instrumentation  # noqa: F401

    return bare()


def watched(baselines: str = "", *, parts: bool = False) -> dict[str, Any]:
    """Record the same rows, and let the readers collect sketches and signals."""
    from driftmeter.baseline import Baseline
    from driftmeter.config import Config
    from driftmeter.exporter._host import Host
    from driftmeter.recorder import Registry
    from driftmeter.schema import Model
    from driftmeter.tables import Names, Table

    clock = Clock()
    found = [Baseline.load(path) for path in sorted(Path(baselines).glob("*.json"))] if baselines else []
    registry = Registry(Config(), baselines=found, clock=clock)
    del found
    delta, cumulative = readers()
    provider = MeterProvider([delta, cumulative])
    host = Host(registry, meter_provider=provider)
    host.attach(provider)
    names = Names.of(FEATURES)
    rng = np.random.default_rng(0)
    for minute in range(MINUTES):
        for model in range(MODELS):
            recorder = registry.recorder(Model(f"m{model}"))
            assert recorder is not None
            for call in range(CALLS):
                clock.now = START + minute * MINUTE + call * MINUTE // CALLS
                values = rows_of(rng, BATCH)
                features = Table(names, BATCH, columns=tuple(values))
                label = Table(("prediction",), BATCH, columns=(values[-1],), kind="categorical")
                score = Table(("score",), BATCH, matrix=values[0][:, np.newaxis])
                registry.record(recorder, [("feature", features), ("prediction", label), ("score", score)])
        if minute < MINUTES - 1:
            clock.now = START + (minute + 1) * MINUTE
            delta.collect()
            cumulative.collect()
    del features, label, score, values
    measured = {"resident": resident()}
    if parts:
        measured["parts"] = sizes(parts_of(registry, host))
    clock.now = START + MINUTES * MINUTE
    cumulative.collect()
    assert cumulative.points == MODELS * MINUTES * ROWS
    delta.collect()
    assert delta.points == MODELS * ROWS
    assert len(host._processor.latest()) == MODELS
    return measured


def traced(baselines: str = "") -> dict[str, Any]:
    """List the lines of driftmeter that allocated what is held, and how many MB."""
    tracemalloc.start()
    snapshots: list[tracemalloc.Snapshot] = []
    inner = globals()["resident"]
    globals()["resident"] = lambda: snapshots.append(tracemalloc.take_snapshot()) or inner()
    watched(baselines)
    held = snapshots[0].statistics("filename")
    return {"files": [(entry.traceback[0].filename, entry.size / 1e6, entry.count) for entry in held[:25]]}


def build(directory: str) -> dict[str, Any]:
    """Write the models' baselines."""
    from driftmeter.baseline import Baseline

    rng = np.random.default_rng(1)
    for model in range(MODELS):
        values = rows_of(rng, BLOCKS * BLOCK_ROWS)
        Baseline.from_frame(
            dict(zip(FEATURES, values, strict=True)),
            model=f"m{model}",
            predictions=values[-1],
            scores=values[0],
            block_rows=BLOCK_ROWS,
        ).save(Path(directory) / f"m{model}.json")
    return {}


def parts_of(registry: Any, host: Any) -> Iterator[tuple[str, Any]]:
    """Yield driftmeter's parts and what each holds; what several hold belongs to the first."""
    from driftmeter.sketches import _buckets, _columns

    recorders = list(registry._recorders.values())
    shapes = [shape for recorder in recorders for shape in recorder._shapes.values()]
    watched = list(host._processor._models.values())
    models = [known.processor for known in watched]
    yield "baselines", registry._identities._baselines
    yield "row buffers", [shape.buffer for shape in shapes]
    yield "running numeric sketches", [shape._sketcher for shape in shapes]
    yield "running categorical sketches", [shape._counters for shape in shapes]
    yield "work space", [_columns._scratch._free, _buckets._space._free]
    yield "what else recorders hold", recorders
    for stream in host._streams.values():
        yield f"{stream._temporality.name.lower()} stream", stream
    yield "processor: grids and variation of baselines", [model._comparers for model in models]
    yield "processor: usual values", [model._usual for model in models]
    yield "processor: steps of the window", [model._windows for model in models]
    yield "processor: past windows", [model._history for model in models]
    yield "processor: latest verdicts", [[known.latest, known.turns] for known in watched]
    yield "processor: all else", watched


_FOREIGN = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType, partial)


def sizes(parts: Iterable[tuple[str, Any]]) -> dict[str, float]:
    """Return the MB of the objects that each part holds and none before it."""
    seen: set[int] = set()
    found: dict[str, float] = {}
    for name, root in [*parts]:  # all of them at once: what is gone leaves its id to another
        total = 0
        pending = [root]
        while pending:
            one = pending.pop()
            if id(one) in seen or isinstance(one, _FOREIGN):
                continue
            seen.add(id(one))
            total += sys.getsizeof(one)
            if isinstance(one, np.ndarray):
                pending += [one.base] if one.base is not None else []
            else:
                pending += gc.get_referents(one)
        found[name] = total / 1e6
    return found


def measure(kind: str, *args: str) -> Any:
    """Return what a process of its own measured."""
    command = [sys.executable, __file__, kind, *args]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(*, files: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        measure("build", directory)
        plain = measure("bare")["resident"]
        print("| process | resident MB | over the SDK's, MB |\n|---|---|---|")
        print(f"| the SDK alone | {plain:.1f} | |")
        for name, kind, args in (
            ("with what `opentelemetry-instrument` imports", "instrumented", ()),
            ("driftmeter imported", "imported", ()),
            ("watched, no baselines", "watched", ()),
            (f"watched, baselines of {BLOCKS} blocks", "watched", (directory,)),
        ):
            over = measure(kind, *args)["resident"]
            print(f"| {name} | {over:.1f} | {over - plain:.1f} |", flush=True)
        columns = [measure("parts")["parts"], measure("parts", directory)["parts"]]
        print(f"\n| part, MB | no baselines | baselines of {BLOCKS} blocks |\n|---|---|---|")
        for part in columns[0]:
            print(f"| {part} | {columns[0][part]:.2f} | {columns[1][part]:.2f} |")
        print(f"| all | {sum(columns[0].values()):.2f} | {sum(columns[1].values()):.2f} |")
        for file, megabytes, count in measure("traced", directory)["files"] if files else ():
            print(f"{megabytes:8.2f} MB {count:8d}  {file}")


KINDS = {
    "build": build,
    "bare": bare,
    "instrumented": instrumented,
    "imported": imported,
    "watched": watched,
    "parts": partial(watched, parts=True),
    "traced": traced,
}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in KINDS:
        print(json.dumps(KINDS[sys.argv[1]](*sys.argv[2:])))
    else:
        main(files="--files" in sys.argv)
