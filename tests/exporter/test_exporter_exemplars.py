"""While a column drifts, its sketch points out traces of rows in the bins that gained; else there are none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from sklearn.linear_model import LinearRegression

import driftmeter
from driftmeter import Baseline
from driftmeter.recorder import Bin, active

RNG = np.random.default_rng(0)
NAMES = ("x", "y")


class Served:
    """A model that is called, on a clock that the test moves."""

    def __init__(self, *, sampled: bool = True, **settings) -> None:
        self.reader = InMemoryMetricReader()
        self.spans = InMemorySpanExporter()
        tracer_provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
        tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self._provider = MeterProvider([self.reader])
        driftmeter.instrument(
            meter_provider=self._provider, tracer_provider=tracer_provider, window="1s", step="1s", **settings
        )
        registry = active()
        assert registry is not None
        self.seconds = 20_000 * 86_400
        registry.clock = lambda: self.seconds * 1_000_000_000
        frame = self.rows(0.0, 4000)
        self.model = LinearRegression().fit(frame, frame[:, 0])
        baseline = Baseline.from_frame(dict(zip(NAMES, frame.T, strict=True)), model="m")
        driftmeter.monitor(self.model, name="m", baseline=baseline)

    def rows(self, mean: float, rows: int) -> np.ndarray:
        return np.column_stack((RNG.normal(mean, 1.0, rows), RNG.normal(0.0, 1.0, rows)))

    def serve(self, mean: float) -> dict[str, list]:
        """Serve for a second; return the exemplars of the points that are collected, by column."""
        self.spans.clear()
        for _ in range(20):
            self.model.predict(self.rows(mean, 20))
        self.seconds += 1
        data = self.reader.get_metrics_data()
        found: dict[str, list] = {}
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "ml.column.value":
                        for point in metric.data.data_points:
                            found.setdefault(point.attributes["ml.column.name"], []).extend(point.exemplars)
        return found

    def close(self) -> None:
        driftmeter.shutdown()
        self._provider.shutdown()


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    served = Served(**getattr(request, "param", {}))
    yield served
    served.close()


def test_a_drifted_column_points_out_traces_of_rows_in_the_bins_that_gained(served) -> None:
    assert not any(served.serve(0.0).values())
    for _ in range(2):
        served.serve(3.0)
    found = served.serve(3.0)
    assert 1 <= len(found["x"]) <= 6
    assert not found["y"], "it has not moved"
    spans = {(span.context.trace_id, span.context.span_id) for span in served.spans.get_finished_spans()}
    for exemplar in found["x"]:
        assert (exemplar.trace_id, exemplar.span_id) in spans
        assert exemplar.value > 1.0, "it is in a bin that gained"


def test_no_rows_own_value_is_told(served) -> None:
    sent = set()
    rows = served.rows

    def remembered(mean: float, count: int) -> np.ndarray:
        made = rows(mean, count)
        sent.update(made.ravel().tolist())
        return made

    served.rows = remembered
    values = [exemplar.value for _ in range(4) for exemplar in served.serve(3.0)["x"]]
    assert values
    assert not sent.intersection(values)


def test_when_the_drift_ends_so_do_exemplars(served) -> None:
    for _ in range(3):
        served.serve(3.0)
    for _ in range(3):
        served.serve(0.0)
    assert not any(served.serve(0.0).values())


@pytest.mark.parametrize("served", [{"exemplars": False}, {"sampled": False}], indirect=True)
def test_there_are_none_where_they_are_off_or_spans_are_not_sampled(served) -> None:
    assert not any(exemplars for _ in range(4) for exemplars in served.serve(3.0).values())


def test_categories_that_gained_have_exemplars_too() -> None:
    from opentelemetry.trace import SpanContext, TraceFlags

    from driftmeter.otlp import add_exemplars, sketch_points
    from driftmeter.recorder import Seeker
    from driftmeter.schema import Column
    from driftmeter.tables import tabulate

    column = Column("c", "feature", "categorical")
    seeker = Seeker({column: [Bin(category="b")]})
    span = SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1))
    seeker.look([("feature", tabulate({"c": ["a", "a"]}))], span, now=1)
    assert not seeker.take()
    for _ in range(5):
        seeker.look([("feature", tabulate({"c": ["a", "b"]}))], span, now=1)
    assert seeker.is_done
    rows = seeker.take()
    assert len(rows[column]) == 2
    assert not seeker.is_done
    points = sketch_points(Baseline.from_frame({"c": ["a", "b"]}, model="m").snapshot)
    add_exemplars(points, rows)
    (told,) = [found for metric, found in points.by_metric.items() if metric.name == "ml.column.categories"]
    by_category = {point.attributes["ml.category"]: point.exemplars for point in told}
    assert [(one.trace_id, one.span_id) for one in by_category["b"]] == [(7, 8)] * 2
    assert not by_category["a"]
