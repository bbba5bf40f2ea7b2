from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import AggregationTemporality

from driftmeter import otlp
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot, merge_snapshots

MODEL = Model("m")
CUMULATIVE = AggregationTemporality.CUMULATIVE


def _wire(snapshots, *, temporality=otlp.DELTA) -> ExportMetricsServiceRequest:
    request = otlp.to_request([({}, otlp.sketch_metrics(snapshots, temporality=temporality))])
    sent = ExportMetricsServiceRequest()
    sent.ParseFromString(request.SerializeToString())
    return sent


def _of(*values: float, end: int = 1) -> Snapshot:
    return Snapshot(MODEL, 0, end, {Column("x"): NumericSketch.from_values(np.array(values, dtype=np.float64))})


def _same(decoded: Snapshot, original: Snapshot) -> None:
    assert (decoded.model, decoded.start, decoded.end) == (original.model, original.start, original.end)
    assert decoded.columns.keys() == original.columns.keys()
    for column, sketch in decoded.columns.items():
        wanted = original.columns[column]
        if isinstance(wanted, NumericSketch) and isinstance(sketch, NumericSketch):
            wanted = wanted.at_scale(sketch.scale)
            if not wanted.count:
                # Nothing says at which scale an empty column is.
                assert (sketch.missing, sketch.non_finite) == (wanted.missing, wanted.non_finite)
                assert sketch.mismatched == wanted.mismatched
                continue
        assert sketch == wanted


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_protobuf_gives_back_what_was_sent(snapshots, data) -> None:
    original = data.draw(snapshots)
    (decoded,) = otlp.snapshots([_wire([original])])
    _same(decoded, original)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_json_gives_back_what_was_sent(snapshots, data) -> None:
    original = data.draw(snapshots)
    text = otlp.to_json(_wire([original]))
    assert "\n" not in text
    (decoded,) = otlp.snapshots(otlp.from_json(text))
    _same(decoded, original)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_encoding_what_was_decoded_changes_nothing(snapshots, data) -> None:
    first = _wire([data.draw(snapshots)])
    (decoded,) = otlp.snapshots([first])
    (again,) = otlp.snapshots([_wire([decoded])])
    assert again == decoded


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_delta_points_of_many_requests_add_up_in_any_order(snapshots, data) -> None:
    parts = data.draw(st.lists(snapshots, min_size=2, max_size=4))
    kinds = {}
    for part in parts:
        for column in part.columns:
            kinds.setdefault((column.name, column.role), column)
    merged = merge_snapshots(parts)
    assert merged is not None
    decoded = otlp.snapshots([_wire([part]) for part in data.draw(st.permutations(parts))])
    assert len(decoded) == 1
    (mine,) = decoded
    assert mine.columns.keys() == merged.columns.keys()
    assert {column: sketch.total for column, sketch in mine.columns.items()} == {
        column: sketch.total for column, sketch in merged.columns.items()
    }
    assert (mine.start, mine.end) == (merged.start, merged.end)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_parts_have_unique_names_one_scale_and_the_whole_count(numeric_sketches, data) -> None:
    sketch = data.draw(numeric_sketches)
    metrics = otlp.sketch_metrics([Snapshot(MODEL, 0, 1, {Column("x"): sketch})], temporality=otlp.DELTA)
    points = [point for metric in metrics if metric.name == "ml.column.value" for point in metric.data.data_points]
    assert sum(point.count for point in points) == sketch.count
    assert len({point.scale for point in points}) <= 1
    names = [point.attributes.get("ml.column.part", "") for point in points]
    assert len(names) == len(set(names))
    assert names[:1] in ([], [""])
    # Only where the scale cannot fall any more may there be more than three beside the main one.
    assert len(names) <= 4 or points[0].scale == 3
    assert math.fsum(point.sum for point in points) == (sketch.sum if points else 0)


def test_a_sentinel_travels_in_a_part_of_its_own_and_costs_no_resolution() -> None:
    years = [*np.repeat(np.arange(2000.0, 2014.0), 3), -999.0, 3.4e38]
    (metric, *_) = otlp.sketch_metrics([_of(*years)], temporality=otlp.DELTA)
    points = metric.data.data_points
    assert [point.attributes.get("ml.column.part", "") for point in points] == ["", "1.70141e+38"]
    assert [point.count for point in points] == [43, 1]
    # The sentinel below zero has the main part's other side to itself.
    assert points[0].negative.bucket_counts == (1,)
    (decoded,) = otlp.snapshots([_wire([_of(*years)])])
    alone = NumericSketch.from_values(np.array(years[:-2]))
    (metric, *_) = otlp.sketch_metrics([_of(*years[:-2])], temporality=otlp.DELTA)
    assert decoded.columns[Column("x")].scale == metric.data.data_points[0].scale
    assert metric.data.data_points[0].scale >= 13
    assert alone.count == 42


@pytest.mark.parametrize(
    "values",
    [
        np.logspace(-300, 300, 2000),
        -np.logspace(-300, 300, 2000),
        np.concatenate([np.logspace(-300, 300, 1000), -np.logspace(-300, 300, 1000), np.zeros(7)]),
        np.array([5e-324, 1.7976931348623157e308, -5e-324, -1.7976931348623157e308]),
    ],
    ids=["both ends of float64", "below zero", "both signs", "extremes"],
)
def test_a_pathological_spread_is_bounded_on_the_wire_and_exact(values) -> None:
    request = _wire([_of(*values)])
    # Scale 3 over all of float64 is 8 buckets a power of two, a byte or so each.
    assert request.ByteSize() < 2 * 2048 * 8 + 4000
    (decoded,) = otlp.snapshots([request])
    sketch = decoded.columns[Column("x")]
    assert sketch == NumericSketch.from_values(values).at_scale(sketch.scale)


def test_the_values_that_reach_the_encoder_are_python_numbers() -> None:
    columns = {
        Column("x"): NumericSketch.from_values(np.array([1.0, -2.0, 0.0, np.nan, np.inf, 1e300])),
        Column("c", kind="categorical"): CategoricalSketch({"a": 2}, other=1, missing=1),
    }
    for metric in otlp.sketch_metrics([Snapshot(MODEL, 0, 1, columns)], temporality=otlp.DELTA):
        for point in metric.data.data_points:
            if metric.name == "ml.column.value":
                numbers = [point.count, point.scale, point.zero_count, point.positive.offset, point.negative.offset]
                numbers += [*point.positive.bucket_counts, *point.negative.bucket_counts]
                assert {type(number) for number in numbers} == {int}
                assert {type(number) for number in (point.sum, point.min, point.max)} == {float}
            else:
                assert type(point.value) is int


def test_attributes_name_model_column_and_role_and_no_version_where_there_is_none() -> None:
    (metric, missing) = otlp.sketch_metrics([_of(1.0)], temporality=CUMULATIVE)
    common = {"ml.model.name": "m", "ml.column.name": "x", "ml.column.role": "feature"}
    assert metric.data.data_points[0].attributes == common
    assert metric.data.aggregation_temporality is CUMULATIVE
    assert missing.name == "ml.column.missing"
    assert missing.data.data_points[0].attributes == {**common, "ml.column.kind": "numeric"}
    assert missing.data.is_monotonic


def test_columns_whose_names_are_no_unicode_keep_their_identity() -> None:
    sketch = NumericSketch.from_values(np.array([1.0]))
    original = Snapshot(Model("m\udc80"), 0, 1, {Column("a\udc80"): sketch, Column("b\udc80"): sketch})
    (decoded,) = otlp.snapshots([_wire([original])])
    assert decoded == original


def test_points_are_counted_as_they_are_sent() -> None:
    rows = np.concatenate([np.random.default_rng(0).normal(1000, 1, 500), np.full(9, -999.0), np.full(3, 3.4e38)])
    columns = {
        Column("x"): NumericSketch.from_values(np.append(rows, np.inf)),
        Column("c", kind="categorical"): CategoricalSketch({"a": 2, "b": 3}, other=1),
    }
    points = otlp.sketch_points(Snapshot(MODEL, 0, 1, columns))
    sent = otlp.points_metrics([points], temporality=otlp.DELTA)
    # Two parts, its nulls and its infinity; three categories and their nulls.
    assert len(points) == sum(len(metric.data.data_points) for metric in sent) == 4 + 4


def _ordinary(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    return {
        "normal": rng.normal(0, 1, rows),
        "far from 0": rng.normal(1000, 100, rows),
        "skewed": rng.lognormal(0, 2, rows),
        "uniform": rng.uniform(0, 1, rows),
        "hours": rng.integers(0, 24, rows).astype(float),
        "flags": rng.integers(0, 2, rows).astype(float),
    }


@pytest.mark.parametrize("rows", [100, 1000, 20_000])
def test_ordinary_columns_have_one_point(rows) -> None:
    for name, values in _ordinary(np.random.default_rng(1), rows).items():
        (metric, *_) = otlp.sketch_metrics([_of(*values)], temporality=otlp.DELTA)
        assert len(metric.data.data_points) == 1, name


def test_gauges_carry_value_time_and_attributes() -> None:
    from driftmeter import semconv

    (metric,) = otlp.gauge_metrics({semconv.WINDOW_ROWS: [({"ml.model.name": "m"}, 3)]}, time=17)
    assert (metric.name, metric.unit) == ("ml.window.rows", "{row}")
    (point,) = metric.data.data_points
    assert (point.value, point.time_unix_nano, point.attributes) == (3, 17, {"ml.model.name": "m"})
