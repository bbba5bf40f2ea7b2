"""Children of a process: whatever they recorded is sent exactly once, however they came to be and end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NEVER = 3_600_000

# A module of its own, since loky's workers do not import the main one.
WORK = f"""
from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

import driftmeter

reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis={NEVER})
metrics.set_meter_provider(MeterProvider([reader]))
driftmeter.instrument(window="1h", step="1h")


def serve(rows):
    driftmeter.record(model="m", features={{"x": [1.0] * rows}})
    return rows
"""

MAIN = """
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from work import serve

SIZES = [1, 2, 3, 4]


def processes(context):
    started = [context.Process(target=serve, args=(size,)) for size in SIZES]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0, process.exitcode


def pool(context):
    with context.Pool(2) as workers:
        assert workers.map(serve, SIZES) == SIZES
        workers.close()
        workers.join()


def terminated_pool(context):
    with context.Pool(2) as workers:
        assert workers.map(serve, SIZES) == SIZES


def executor(context):
    with ProcessPoolExecutor(2, mp_context=context) as workers:
        assert list(workers.map(serve, SIZES)) == SIZES


def loky(context):
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    assert Parallel(2, backend="loky")(delayed(serve)(size) for size in SIZES) == SIZES
    get_reusable_executor().shutdown(wait=True)


if __name__ == "__main__":
    way, method = sys.argv[1:]
    serve(100)
    globals()[way](multiprocessing.get_context(method))
"""
METHODS = [method for method in ("fork", "spawn", "forkserver") if hasattr(os, "fork") or method == "spawn"]
WAYS = [(way, method) for way in ("processes", "executor") for method in METHODS] + [
    ("pool", METHODS[0]),
    ("terminated_pool", METHODS[0]),
    ("loky", "spawn"),
]
QUICK = [("processes", "fork"), ("executor", "spawn")]
"""A child that has a copy of all that there is, and one that begins anew; the others are slow in all."""


@pytest.mark.parametrize(
    ("way", "method"),
    [pytest.param(*names, id=" ".join(names), marks=() if names in QUICK else pytest.mark.slow) for names in WAYS],
)
def test_every_row_of_every_child_is_sent_once(way, method, tmp_path, receivers, kit) -> None:
    received = receivers()
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "main.py").write_text(MAIN)
    environ = kit.environment(
        tmp_path, received.endpoint, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta", PYTHONPATH=str(tmp_path)
    )
    del environ["DRIFTMETER_BASELINE"]
    command = [sys.executable, "main.py", way, method]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert received.column_counts() == {"x": 110}, done.stderr
    # The SDK's counter too: the rows since the last collection are not among what a child inherits.
    assert sum(kit.value(point) for point in received.points("ml.prediction.rows")) == 110
