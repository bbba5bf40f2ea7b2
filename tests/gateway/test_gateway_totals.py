"""Merged sketches as running totals: what Prometheus needs, and what no restart of anything may take back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gateway_core import SECOND, START, Simulated, request
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from driftmeter import otlp
from driftmeter.config import Config
from driftmeter.sketches import NumericSketch, merge_snapshots


@pytest.fixture
def gateway(tmp_path) -> Iterator[Simulated]:
    config = Config(window=4.0, step=1.0, grace=0.0)
    made = Simulated(tmp_path / "state.db", config=config, temporality="cumulative", checkpoint=2.0, model_idle=60.0)
    yield made
    made.close()


def totals(gateway) -> list[tuple[dict[str, str], Any]]:
    """The points of sums and histograms of columns in the order in which they were to be sent."""
    found = []
    for body in gateway.waiting():
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (one for scope in resource.scope_metrics for one in scope.metrics):
                if metric.name.startswith("ml.column."):
                    data = getattr(metric, metric.WhichOneof("data"))
                    assert data.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
                    names = ("ml.column.name", "ml.category")
                    for point in data.data_points:
                        told = {pair.key: pair.value.string_value for pair in point.attributes}
                        found.append(((metric.name, *(told.get(name, "") for name in names)), point))
    return found


def test_each_total_is_of_all_that_came_since_the_start_and_no_category_falls(gateway) -> None:
    sent = []
    for second in range(6):
        at = START + second * SECOND
        for replica in range(2):
            body = request(replica, at, mean=float(second))
            gateway.send(body)
            sent.append(ExportMetricsServiceRequest.FromString(body))
        gateway.advance(1)
    whole = merge_snapshots(otlp.snapshots(sent))
    [x, c] = whole.columns.values()
    last = dict(totals(gateway))
    assert last["ml.column.value", "x", ""].count == x.count == 6 * 2 * 300
    assert {name[2]: point.as_int for name, point in last.items() if name[0] == "ml.column.categories"} == dict(
        c.counts
    )
    assert len({(point.start_time_unix_nano) for _, point in totals(gateway)}) == 1
    by_series: dict[tuple[str, ...], list[int]] = {}
    for name, point in totals(gateway):
        by_series.setdefault(name, []).append(getattr(point, "count", None) or getattr(point, "as_int", 0))
    assert all(counts == sorted(counts) for counts in by_series.values())
    assert len(by_series["ml.column.value", "x", ""]) == 6


def test_buckets_of_a_total_are_those_of_the_merged_sketch(gateway) -> None:
    sent = []
    for second in range(3):
        body = request(0, START + second * SECOND, mean=100.0 * second)
        sent.append(ExportMetricsServiceRequest.FromString(body))
        gateway.send(body)
        gateway.advance(1)
    whole = merge_snapshots(otlp.snapshots(sent))
    told = [point for name, point in totals(gateway) if name[:2] == ("ml.column.value", "x")]
    parts = [point for point in told if point.time_unix_nano == told[-1].time_unix_nano]
    x = next(sketch for sketch in whole.columns.values() if isinstance(sketch, NumericSketch))
    scale = min(point.scale for point in parts)
    keys, counts = x.at_scale(scale).keys()
    assert sum(point.count for point in parts) == counts.sum()
    occupied = sum(
        int(np.count_nonzero(getattr(p, side).bucket_counts)) for p in parts for side in ("positive", "negative")
    )
    assert occupied == len(keys)


def test_totals_go_on_after_a_kill(gateway) -> None:
    for second in range(7):
        gateway.send(request(0, START + second * SECOND))
        if second % 2:
            gateway.kill()
            gateway.begin()
        gateway.advance(1)
    found = [point for name, point in totals(gateway) if name == ("ml.column.value", "x", "")]
    assert found[-1].count == 7 * 300
    assert len({point.start_time_unix_nano for point in found}) == 1


def test_a_forgotten_model_begins_anew(gateway) -> None:
    gateway.send(request(0, START))
    gateway.advance(1)
    for _ in range(3):  # it is forgotten with a checkpoint
        gateway.advance(60)
    later = gateway.now
    gateway.send(request(0, later))
    gateway.advance(1)
    found = [point for name, point in totals(gateway) if name == ("ml.column.value", "x", "")]
    assert [point.count for point in found] == [300, 300]
    assert found[0].start_time_unix_nano < later <= found[1].start_time_unix_nano
