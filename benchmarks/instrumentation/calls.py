"""Print what watching costs each call of a scikit-learn pipeline, beside the plain call in the same process.

pip install -e '.[demo]'
python benchmarks/instrumentation/calls.py [rounds] [--newrelic PYTHON]

Medians of the process's CPU time, so that what the SDK's threads do for a call counts; plain and watched calls take
turns, round by round. Sampled spans go through a BatchSpanProcessor; a reader collects every minute, as by default;
logs are on. The first line of each kind is what OpenTelemetry alone adds to the same call: caches are cold between two
calls of a real model, so all of it costs some three times what it costs in an empty loop.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import driftmeter
from driftmeter.instrumentation.sklearn import SklearnInstrumentor

FEATURES = 20
NAMES = [f"feature {i}" for i in range(FEATURES)]


class Discards(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans):  # noqa: ARG002
        return SpanExportResult.SUCCESS

    def shutdown(self): ...


class Counts(MetricExporter):
    """Keeps the last count of predicted rows, and that of the values in the sketches of the first feature."""

    rows = values = 0

    def export(self, metrics_data, timeout_millis=0, **_):  # noqa: ARG002
        metrics = [m for r in metrics_data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        points = {metric.name: metric.data.data_points for metric in metrics}
        self.rows = sum(point.value for point in points.get("ml.prediction.rows", ()))
        first = [p for p in points.get("ml.column.value", ()) if p.attributes["ml.column.name"] in ("f0", NAMES[0])]
        self.values = sum(point.count for point in first)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis=0):  # noqa: ARG002
        return True

    def shutdown(self, timeout_millis=0, **_): ...


class Setting:
    """An SDK, a fitted pipeline, and driftmeter watching it."""

    def __init__(self, sampler: Sampler) -> None:
        self.exporter = Counts()
        self.meters = MeterProvider([PeriodicExportingMetricReader(self.exporter, export_interval_millis=60_000)])
        self.tracers = TracerProvider(sampler=sampler)
        self.tracers.add_span_processor(BatchSpanProcessor(Discards()))
        driftmeter.instrument(meter_provider=self.meters, tracer_provider=self.tracers, window="1h", step="1h")
        self.switch(False)

    def switch(self, on: bool) -> None:
        """Watch, or leave every class as it was; the recorders stay."""
        if on:
            SklearnInstrumentor().instrument(
                skip_dep_check=True, meter_provider=self.meters, tracer_provider=self.tracers
            )
        elif SklearnInstrumentor().is_instrumented_by_opentelemetry:
            SklearnInstrumentor().uninstrument()

    def close(self) -> None:
        driftmeter.shutdown()
        self.meters.shutdown()
        self.tracers.shutdown()


def cpu_us(call: Callable[[], Any], calls: int) -> float:
    """Return the CPU microseconds that each of some calls takes."""
    for _ in range(20):
        call()
    start = time.process_time_ns()
    for _ in range(calls):
        call()
    return (time.process_time_ns() - start) / calls / 1000


Round = tuple[float, float, float]


def compared(
    switch: Callable[[bool], None], plain: Callable[[], Any], watched: Callable[[], Any], *, calls: int, rounds: int
) -> Round:
    """Return the median CPU time of plain calls, of watched ones, and of their difference within a round."""
    pairs = []
    for _ in range(rounds):
        switch(False)
        before = cpu_us(plain, calls)
        switch(True)
        pairs.append((before, cpu_us(watched, calls)))
    switch(False)
    medians = map(statistics.median, (*zip(*pairs, strict=True), [after - before for before, after in pairs]))
    return next(medians), next(medians), next(medians)


def bare_signals(setting: Setting, call: Callable[[], Any]) -> Callable[[], Any]:
    """Return the call in a span of five attributes, with its duration recorded: what any instrumentation does."""
    tracer = setting.tracers.get_tracer("bare")
    duration = setting.meters.get_meter("bare").create_histogram("bare.duration", unit="s")
    attributes = {"model": "m", "framework": "sklearn", "operation": "predict"}

    def instrumented() -> Any:
        with tracer.start_as_current_span("predict m", attributes={**attributes, "size": 1, "more": "x"}):
            start = time.perf_counter()
            result = call()
            duration.record(time.perf_counter() - start, attributes)
        return result

    return instrumented


def check(setting: Setting, call: Callable[[], Any], rows: int) -> None:
    """Assert that watched calls give the very bytes of a plain one, that their rows are counted, and sketched, once."""
    plain = call()
    setting.meters.force_flush()
    before = setting.exporter.rows, setting.exporter.values
    setting.switch(True)
    watched = [call() for _ in range(3)]
    setting.switch(False)
    setting.meters.force_flush()
    assert all(result.tobytes() == plain.tobytes() and result.dtype == plain.dtype for result in watched)
    assert (setting.exporter.rows - before[0], setting.exporter.values - before[1]) == (3 * rows, 3 * rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", type=int, nargs="?", default=15)
    parser.add_argument("--newrelic", metavar="PYTHON", default="")
    options = parser.parse_args()
    rounds: int = options.rounds
    _logs.set_logger_provider(logs := LoggerProvider())
    logs.add_log_record_processor(BatchLogRecordProcessor(InMemoryLogRecordExporter()))
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, FEATURES))
    labels = np.where(rows[:, 0] + rng.normal(size=1000) > 0, "yes", "no")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    frame = pd.DataFrame(rows, columns=NAMES)
    named = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, labels)
    cases: list[tuple[str, Callable[[], Any], int, int]] = [
        ("predict, 1 row, ndarray", lambda: model.predict(rows[:1]), 1, 1000),
        ("predict_proba, 1 row, ndarray", lambda: model.predict_proba(rows[:1]), 1, 1000),
        ("predict, 1000 rows, ndarray", lambda: model.predict(rows[:]), 1000, 300),
        ("predict_proba, 1000 rows, ndarray", lambda: model.predict_proba(rows[:]), 1000, 300),
        ("predict, 1 row, DataFrame", lambda: named.predict(frame[:1]), 1, 200),
        ("predict, 1000 rows, DataFrame", lambda: named.predict(frame[:]), 1000, 200),
    ]
    print("| call | spans | plain us | watched us | added us |\n|---|---|---|---|---|")
    for spans, sampler in (("sampled", ALWAYS_ON), ("not sampled", ALWAYS_OFF)):
        setting = Setting(sampler)
        one_row = cases[0][1]
        plain, bare, added = compared(
            lambda _: None, one_row, bare_signals(setting, one_row), calls=1000, rounds=rounds
        )
        print(f"| OpenTelemetry alone: a span and a duration | {spans} | {plain:.0f} | {bare:.0f} | {added:.0f} |")
        for name, call, size, calls in cases:
            check(setting, call, size)
            plain, watched, added = compared(setting.switch, call, call, calls=calls, rounds=rounds)
            print(f"| {name} | {spans} | {plain:.0f} | {watched:.0f} | {added:.0f} |", flush=True)
        setting.close()
        if options.newrelic and sampler is ALWAYS_ON:
            script = str(Path(__file__).with_name("newrelic_calls.py"))
            subprocess.run([options.newrelic, script, str(rounds)], check=True)


if __name__ == "__main__":
    main()
