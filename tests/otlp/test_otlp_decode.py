from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import AggregationTemporality

from driftmeter import DecodeError, otlp, semconv
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot

MODEL = Model("m", "2")
X, C = Column("x"), Column("c", kind="categorical")
CUMULATIVE = AggregationTemporality.CUMULATIVE


def _snapshot(*values: float, categories=("a", "b", "b"), start: int = 0, end: int = 1, model=MODEL) -> Snapshot:
    numeric = NumericSketch.from_values(np.array(values, dtype=np.float64))
    return Snapshot(model, start, end, {X: numeric, C: CategoricalSketch.from_values(categories)})


def _request(*snapshots: Snapshot, temporality=otlp.DELTA, host: str = "") -> ExportMetricsServiceRequest:
    request = otlp.to_request([({}, otlp.sketch_metrics(snapshots, temporality=temporality))])
    if host:
        request.resource_metrics[0].resource.attributes.add(key="host.name").value.string_value = host
    return request


def _metric(request: ExportMetricsServiceRequest, name: str):
    (found,) = [m for m in request.resource_metrics[0].scope_metrics[0].metrics if m.name == name]
    return found


def _point(request: ExportMetricsServiceRequest):
    return _metric(request, "ml.column.value").exponential_histogram.data_points[0]


def test_of_a_cumulative_stream_the_last_point_counts() -> None:
    early = _request(_snapshot(1.0, end=10), temporality=CUMULATIVE)
    late = _request(_snapshot(1.0, 0.9999, 0.9998, categories="aabbb", end=20), temporality=CUMULATIVE)
    for order in ([early, late], [late, early], [early, late, early]):
        (decoded,) = otlp.snapshots(order)
        assert decoded == _snapshot(1.0, 0.9999, 0.9998, categories="aabbb", end=20)


def test_a_cumulative_part_or_category_that_joined_the_others_is_not_counted_again() -> None:
    def cumulative(*values: float, categories: CategoricalSketch, end: int) -> ExportMetricsServiceRequest:
        columns = {X: NumericSketch.from_values(np.array(values)), C: categories}
        return _request(Snapshot(MODEL, 0, end, columns), temporality=CUMULATIVE)

    wide = np.geomspace(1.0, 3.4e38, 700)
    early = cumulative(1.0, 1.0, 3.4e38, categories=CategoricalSketch({"rare": 1, "a": 2}), end=10)
    late = cumulative(1.0, 1.0, 3.4e38, *wide, categories=CategoricalSketch({"a": 4}, other=1), end=20)
    assert len(_metric(early, "ml.column.value").exponential_histogram.data_points) == 2
    assert len(_metric(late, "ml.column.value").exponential_histogram.data_points) == 1
    for requests in ([early, late], [late, early], [early, late, late]):
        (decoded,) = otlp.snapshots(requests)
        assert decoded.columns[X].total == 703
        assert decoded.columns[C] == CategoricalSketch({"a": 4}, other=1)


def test_cumulative_streams_of_two_replicas_and_of_a_restart_add_up() -> None:
    requests = [
        _request(_snapshot(1.0, end=10), temporality=CUMULATIVE, host="a"),
        _request(_snapshot(1.0, 1.0, end=20), temporality=CUMULATIVE, host="a"),
        _request(_snapshot(8.0, end=20), temporality=CUMULATIVE, host="b"),
        _request(_snapshot(4.0, start=30, end=40), temporality=CUMULATIVE, host="a"),
    ]
    (decoded,) = otlp.snapshots(requests)
    assert decoded.columns[X] == NumericSketch.from_values(np.array([1.0, 1.0, 8.0, 4.0]))
    assert (decoded.start, decoded.end) == (0, 40)


def test_two_models_and_two_versions_stay_apart() -> None:
    models = [Model("m", "1"), Model("m", "2"), Model("n")]
    decoded = otlp.snapshots([_request(*(_snapshot(1.0, model=model) for model in models))])
    assert {snapshot.model for snapshot in decoded} == set(models)


def test_a_collectors_file_of_one_object_a_line_is_read_and_foreign_metrics_passed_over() -> None:
    first, second = _request(_snapshot(1.0)), _request(_snapshot(2.0))
    foreign = second.resource_metrics.add().scope_metrics.add().metrics
    foreign.add(name="http.server.request.duration").histogram.data_points.add(count=3)
    foreign.add(name="ml.column.value").gauge.data_points.add(as_double=3)
    foreign.add(name="ml.skew.distance").gauge.data_points.add(as_double=0.5)
    text = f"{otlp.to_json(first)}\n\n{otlp.to_json(second)}\n"
    (decoded,) = otlp.snapshots(otlp.from_json(text))
    assert decoded.columns[X] == NumericSketch.from_values(np.array([1.0, 2.0]))


def test_one_object_over_many_lines_and_a_line_separator_in_a_name_are_read() -> None:

    separated = Snapshot(MODEL, 0, 1, {Column("a\u2028b"): NumericSketch.from_values(np.array([1.0]))})
    value = json.loads(otlp.to_json(_request(separated)))
    for text in (json.dumps(value, indent=2), json.dumps(value, ensure_ascii=False) * 1, json.dumps(value) + "\n" * 3):
        (decoded,) = otlp.snapshots(otlp.from_json(text))
        assert decoded == separated
    two = "\n".join([json.dumps(value, ensure_ascii=False)] * 2)
    (decoded,) = otlp.snapshots(otlp.from_json(two))
    assert decoded.rows == 2


def test_a_name_in_camel_or_snake_case_and_numbers_as_texts_are_the_same_json() -> None:
    text = otlp.to_json(_request(_snapshot(1.0)))
    assert '"count":"1"' in text
    snake = text.replace("resourceMetrics", "resourceMetrics").replace('"count":"1"', '"count":1')
    assert otlp.snapshots(otlp.from_json(snake)) == otlp.snapshots(otlp.from_json(text))


def test_a_scope_is_read_by_itself_and_its_resource_stays_with_it() -> None:
    first, second = _request(_snapshot(1.0)), _request(_snapshot(2.0))
    for at, request in enumerate((first, second)):
        request.resource_metrics[0].resource.attributes.add(key="service.instance.id").value.string_value = f"r{at}"
    first.resource_metrics.append(second.resource_metrics[0])
    first.resource_metrics[1].scope_metrics.add().scope.name = "empty"
    read = otlp.from_json(otlp.to_json(first))
    messages = map(ExportMetricsServiceRequest.FromString, read)
    told = [
        (resource.resource.attributes[0].value.string_value, scope.scope.name)
        for request in messages
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
    ]
    assert told == [("r0", semconv.SCOPE_NAME), ("r1", semconv.SCOPE_NAME), ("r1", "empty")]
    assert otlp.snapshots(read) == otlp.snapshots([first])


def _as_read_from_a_file(text: str) -> list[bytes]:
    return otlp.from_json_file(io.StringIO(text))


def test_a_file_is_read_as_its_text_is_in_whatever_form_it_comes() -> None:
    first, second = _request(_snapshot(1.0)), _request(_snapshot(2.0))
    scopes = first.resource_metrics[0].scope_metrics
    scopes.append(second.resource_metrics[0].scope_metrics[0])
    # Longer than what is read at once, with what ends a scope inside of a name.
    scopes[0].scope.attributes.add(key="long").value.string_value = ']}]},{"]' * 50_000
    text = otlp.to_json(first)
    read = otlp.from_json(text)
    assert len(read) == 2
    assert _as_read_from_a_file(text + "\n\n") == _as_read_from_a_file(text) == read
    assert _as_read_from_a_file(json.dumps(json.loads(text), indent=1)) == read
    assert _as_read_from_a_file(f"{text}\n{text}\n") == 2 * read
    second.resource_metrics[0].schema_url = "https://example.com/1"
    second.resource_metrics[0].resource.attributes.add(key="service.name").value.string_value = "s"
    told = json.loads(otlp.to_json(second))["resourceMetrics"][0]
    behind = {"scopeMetrics": told["scopeMetrics"], "resource": told["resource"], "schemaUrl": told["schemaUrl"]}
    text = json.dumps({"resourceMetrics": [behind]}, separators=(",", ":"))
    (alone,) = _as_read_from_a_file(text)
    assert ExportMetricsServiceRequest.FromString(alone) == second


@pytest.mark.parametrize("tail", ["", "x", "]}", "]}]}]", "]}]}\n3", ",]}]}", ',{"metrics":[3]}]}]}', ',{"scope"'])
def test_a_file_that_goes_wrong_after_a_scope_is_refused_as_its_text_is(tail) -> None:
    text = otlp.to_json(_request(_snapshot(1.0))).removesuffix("]}]}") + tail
    with pytest.raises(DecodeError) as of_text:
        otlp.from_json(text)
    with pytest.raises(DecodeError, match=f"^{re.escape(str(of_text.value))}$"):
        _as_read_from_a_file(text)


def test_metrics_where_no_scope_is_are_passed_over_as_any_unknown_key_is() -> None:
    text = otlp.to_json(_request(_snapshot(1.0)))
    start = '{"resourceMetrics":[{'
    odd = text.replace(start, f'{{"odd":[{{"metrics":[{{"name":"a"}}]}}],{start[1:]}"metrics":[],', 1)
    assert odd != text
    assert otlp.from_json(odd) == otlp.from_json(text)


@pytest.mark.parametrize("wrong", ['{"metrics":[3]}', '{"metrics":[{"name":4}]}', '{"scope":1,"metrics":[]}', "null"])
def test_a_scope_that_is_none_is_refused(wrong) -> None:
    with pytest.raises(DecodeError, match="it is not OTLP JSON: Failed to parse resourceMetrics field"):
        otlp.from_json(f'{{"resourceMetrics":[{{"scopeMetrics":[{wrong}]}}]}}')


@pytest.mark.parametrize("scale", [21, 100, 2, 0, -4])
def test_a_scale_that_no_sketch_has_is_refused(scale) -> None:
    request = _request(_snapshot(1.0))
    _point(request).scale = scale
    with pytest.raises(DecodeError, match=rf"scale must be from 3 to 20; got {scale}"):
        otlp.snapshots([request])


@pytest.mark.parametrize("offset", [-(2**31), 2**31 - 1, 1024 << 19])
def test_a_bucket_beyond_float64_is_refused(offset) -> None:
    request = _request(_snapshot(1.0))
    point = _point(request)
    point.scale, point.positive.offset = 19, offset
    with pytest.raises(DecodeError, match="beyond float64"):
        otlp.snapshots([request])


def test_counts_that_do_not_add_up_are_refused() -> None:
    request = _request(_snapshot(1.0, 1.0))
    _point(request).count = 3
    with pytest.raises(DecodeError, match="count must be the sum of the bucket counts, 2; got 3"):
        otlp.snapshots([request])


def test_counts_too_large_for_64_bits_are_refused() -> None:
    request = _request(_snapshot(1.0))
    point = _point(request)
    point.positive.bucket_counts[0] = 2**64 - 1
    point.count = 2**64 - 1
    with pytest.raises(DecodeError, match="bucket counts"):
        otlp.snapshots([request])


def test_too_many_buckets_are_refused() -> None:
    request = _request(_snapshot(1.0))
    _point(request).positive.bucket_counts.extend([0] * (1 << 16))
    with pytest.raises(DecodeError, match="at most 65536 buckets"):
        otlp.snapshots([request])


@pytest.mark.parametrize("value", [-1.0, 0.5, float("nan"), float("inf")])
def test_a_category_without_a_count_is_refused(value) -> None:
    request = _request(_snapshot(1.0))
    _metric(request, "ml.column.categories").sum.data_points[0].as_double = value
    with pytest.raises(DecodeError, match=r"ml\.column\.categories must hold a count"):
        otlp.snapshots([request])


def test_a_whole_count_as_a_double_is_read() -> None:
    request = _request(_snapshot(1.0, categories="a"))
    _metric(request, "ml.column.categories").sum.data_points[0].as_double = 4.0
    assert otlp.snapshots([request])[0].columns[C] == CategoricalSketch({"a": 4})


@pytest.mark.parametrize("missing", ["ml.model.name", "ml.column.name"])
def test_a_point_without_a_needed_attribute_is_refused_by_its_name(missing) -> None:
    request = _request(_snapshot(1.0))
    point = _point(request)
    kept = [pair for pair in point.attributes if pair.key != missing]
    del point.attributes[:]
    point.attributes.extend(kept)
    with pytest.raises(DecodeError, match=missing):
        otlp.snapshots([request])


def test_an_unknown_role_or_kind_is_refused() -> None:
    request = _request(_snapshot(1.0))
    for pair in _point(request).attributes:
        if pair.key == "ml.column.role":
            pair.value.string_value = "target"
    with pytest.raises(DecodeError, match=r"ml\.column\.role out of feature, prediction, score, label"):
        otlp.snapshots([request])
    request = _request(_snapshot(1.0))
    for pair in _metric(request, "ml.column.missing").sum.data_points[0].attributes:
        if pair.key == "ml.column.kind":
            pair.value.string_value = "text"
    with pytest.raises(DecodeError, match=r"ml\.column\.kind must be one of numeric, categorical; got 'text'"):
        otlp.snapshots([request])


def test_a_point_without_min_and_max_takes_them_from_its_buckets() -> None:
    request = _request(_snapshot(3.0, 40.0, 500.0))
    point = _point(request)
    point.ClearField("min")
    point.ClearField("max")
    sketch = otlp.snapshots([request])[0].columns[X]
    width = 2 ** (2.0**-sketch.scale)
    assert 3.0 / width <= sketch.min <= 3.0
    assert 500.0 <= sketch.max <= 500.0 * width


def test_values_of_attributes_of_every_type_are_read() -> None:
    request = otlp.to_request([({"a": "x", "b": 3, "c": 0.5, "d": True, "e": ["p", "q"]}, [])])
    assert otlp.scope_attributes([request]) == {"a": "x", "b": 3, "c": 0.5, "d": True, "e": ("p", "q")}


def test_an_attribute_of_any_type_on_a_cumulative_point_is_no_error() -> None:
    request = _request(_snapshot(1.0), temporality=CUMULATIVE)
    _point(request).attributes.add(key="extra").value.array_value.values.add().string_value = "x"
    _point(request).attributes.add(key="more").value.kvlist_value.values.add(key="k").value.int_value = 1
    assert otlp.snapshots([request])[0].rows == 3
