"""Requests as bytes, good ones and hostile ones: a point that breaks a rule is refused by itself, the rest goes on."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from gateway_points import CUMULATIVE, NOW, add_points, body, ledger, outcomes, taken
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from driftmeter import DecodeError
from driftmeter.gateway.streams import _origins, _series
from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._limits import Limits
from driftmeter.schema import Column, Model

GOOD = {"column": "good"}
SKETCH = {"name": "ml.column.value", "counts": [1, 2, 3]}


def _decode(request: bytes, **limits: int) -> Any:
    return Decoder(Limits(**limits)).decode(request)


def _points(request: ExportMetricsServiceRequest) -> list[Any]:
    return [
        point
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]


@pytest.mark.parametrize(
    ("reason", "bad"),
    [
        ("names", {"model": None}),
        ("names", {"column": None}),
        ("names", {"ml__column__role": "sprocket"}),
        ("names", {"ml__column__kind": "sprocket"}),
        ("scale", {**SKETCH, "scale": 2}),
        ("range", {**SKETCH, "offset": 2**31 - 5}),
        ("times", {"interval": (1010, 1009)}),
        ("value", {"value": -1}),
        ("attributes", {"column": "x" * 9000}),
    ],
)
def test_a_point_that_breaks_a_rule_is_refused_and_the_others_are_not(reason, bad) -> None:
    counting = ledger()
    assert outcomes(counting, body(GOOD, bad, {**SKETCH, **GOOD})) == {"counted": 2, reason: 1}
    assert taken(counting)[Model("m"), 1000].keys() == {Column("good")}


def test_why_points_are_refused_is_told_for_the_answer() -> None:
    told = ledger().apply(_decode(body(GOOD, {"value": -1}, {"value": -2, "column": "y"}, {"model": None})), now=NOW)
    assert told.rejected == 3
    assert told.message == "1 points refused: names, 2 points refused: value"


def test_names_that_are_no_texts_are_refused() -> None:
    request = ExportMetricsServiceRequest.FromString(body(GOOD, GOOD, GOOD))
    for point, name in zip(_points(request), ("int_value", "array_value", "kvlist_value"), strict=True):
        value = point.attributes[0].value
        value.Clear()
        value.int_value = 3
        if name != "int_value":
            nested = type(value)()
            nested.CopyFrom(value)
            getattr(value, name).SetInParent()
    assert _decode(request.SerializeToString()).refused == {"names": 3}


def test_hostile_names_are_names() -> None:
    counting = ledger()
    names = [
        "",
        "\0",
        "../../etc/passwd",
        "'; DROP TABLE log; --",
        "x" * 2000,
        "é" * 500,
        "\u202e",
        "\ud7ff\U0010ffff",
        "__other__",
    ]
    points = [{"column": name, "ml__segment__" + name.replace("__", ""): name} for name in names]
    categories = [{"name": "ml.column.categories", "column": "c", "ml__category": name} for name in names]
    assert outcomes(counting, body(*points, *categories)) == {"counted": 2 * len(names)}
    found = taken(counting)
    assert all(len(column.name) <= 128 for columns in found.values() for column in columns)
    assert sum(sketch.total for columns in found.values() for sketch in columns.values()) == 2 * len(names)


def test_an_attribute_of_10_mb_is_refused_and_not_kept() -> None:
    decoder = Decoder(Limits())
    request = body({"column": "x" * 10_000_000}, GOOD)
    decoder.decode(body(GOOD))
    tracemalloc.start()
    try:
        for at in range(5):
            received = decoder.decode(request.replace(b"xx", b"%02d" % at))
            assert received.refused == {"attributes": 1}
            assert received.points == 1
            del received
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
    assert most < 100_000_000


def test_a_resource_of_10_mb_is_refused_and_not_kept() -> None:
    decoder = Decoder(Limits())
    request = add_points(ExportMetricsServiceRequest(), GOOD, resource={"service.name": "x" * 10_000_000})
    add_points(request, GOOD)
    received = decoder.decode(request.SerializeToString())
    assert (received.refused, received.points) == ({"resource": 1}, 1)
    assert sum(len(resource) for resource, _ in decoder._origins.known) < 1000


def test_attributes_without_end_are_refused() -> None:
    request = ExportMetricsServiceRequest.FromString(body(GOOD, GOOD, SKETCH))
    for point in _points(request)[1:]:
        for at in range(1000):
            point.attributes.add(key=f"{at}")
    assert _decode(request.SerializeToString()).refused == {"attributes": 2}


def test_points_beyond_the_limit_of_a_request_are_refused() -> None:
    received = _decode(body(*[{"column": str(at)} for at in range(7)], SKETCH), points=5)
    assert (received.points, received.refused) == (5, {"points": 3})


def test_points_without_a_value_are_passed_over() -> None:
    request = ExportMetricsServiceRequest.FromString(body(GOOD, SKETCH, {"value": -1}))
    for point in _points(request)[1:]:
        point.flags = pb.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
    told = ledger().apply(_decode(request.SerializeToString()), now=NOW)
    assert (told.passed, told.refused) == ({"counted": 1, "without_value": 2}, {})


def test_more_points_than_are_read_at_once_are_read() -> None:
    counting = ledger(columns=3000)
    points = [{**SKETCH, "column": str(at), "counts": [1, at + 1]} for at in range(2500)]
    for temporality in (1, CUMULATIVE):
        request = body(*points, *({"column": str(at)} for at in range(1500)), temporality=temporality)
        assert outcomes(counting, request) == {"counted": 4000}
    columns = taken(counting)[Model("m"), 1000]
    assert {name: sketch.count for name, sketch in columns.items()} == {
        Column(str(at)): 2 * (at + 2) for at in range(2500)
    }


def test_what_is_remembered_of_names_is_bounded_and_nothing_depends_on_it(monkeypatch) -> None:
    monkeypatch.setattr(_series, "_KEPT_BYTES", 10_000)
    decoder, counting = Decoder(Limits()), ledger()
    for at in range(20):
        points = [{"column": f"{at}-{k}", "interval": (1000, 1010)} for k in range(10)]
        told = counting.apply(decoder.decode(body(*points, GOOD)), now=NOW)
        assert told.passed == ({"counted": 11} if at == 0 else {"counted": 10, "duplicate": 1})
    assert sum(map(len, decoder._names.values())) < 30
    assert sum(len(names._models) for names in decoder._names.values()) < 30


def test_what_is_remembered_of_resources_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(_origins, "_KEPT_BYTES", 50_000)
    decoder = Decoder(Limits())
    for at in range(100):
        received = decoder.decode(body(GOOD, resource={"service.name": "s", "host.name": str(at)}))
        assert received.points == 1
    assert len(decoder._origins.known) < 20


def _mutated(draw: Any, wire: bytes) -> bytes:
    damaged = bytearray(wire)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(damaged)


_valid = ExportMetricsServiceRequest.FromString(body(GOOD, SKETCH, resource={"service.name": "s"}))
add_points(_valid, {**SKETCH, "column": "y"}, {"name": "ml.drift.detected"}, temporality=CUMULATIVE)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_requests_are_read_or_refused_and_nothing_else(data) -> None:
    wire = _mutated(data.draw, _valid.SerializeToString())
    counting = ledger()
    try:
        received = _decode(wire)
    except DecodeError:
        return
    if received.rest is not None:
        ExportMetricsServiceRequest.FromString(received.rest)
    told = counting.apply(received, now=NOW)
    assert sum(told.passed.values()) + told.rejected >= received.points
    for key in counting.shards:
        counting.dump(key)
    assert all(sketch.total >= 0 for columns in taken(counting).values() for sketch in columns.values())


@settings(max_examples=200, deadline=None)
@given(wire=st.binary(max_size=200) | st.binary(max_size=50).map(lambda tail: _valid.SerializeToString() + tail))
def test_any_bytes_are_read_or_refused_and_nothing_else(wire) -> None:
    try:
        received = _decode(wire)
    except DecodeError:
        return
    ledger().apply(received, now=NOW)
