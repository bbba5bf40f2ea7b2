"""The core: each observation once whatever happens to the process, signals per service, and what is passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gateway_core import MODEL, SECOND, START, Simulated, request, rows
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftmeter import Baseline, otlp
from driftmeter.config import ColumnConfig, Config, ModelConfig
from driftmeter.gateway._inbound import Accepted, Malformed, Overloaded, Unavailable
from driftmeter.gateway.core._outputs import Output, metrics_request
from driftmeter.schema import Model
from driftmeter.sketches import Disguise, Snapshot, merge_snapshots

CONFIG = Config(window=4, step=1, grace=1)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.from_frame(rows(seed=1, count=4000), model="m")


@pytest.fixture
def simulated(tmp_path: Path, baseline: Baseline) -> Iterator[Callable[..., Simulated]]:
    made = []

    def make(name: str = "state.db", *, config: Config = CONFIG, **own) -> Simulated:
        made.append(Simulated(tmp_path / name, config=config, baselines=[baseline], **own))
        return made[-1]

    yield make
    for one in made:
        one.close()


def traffic(at: int, *, mean: float = 0.0) -> list[bytes]:
    return [request(replica, START + at * SECOND, mean=mean) for replica in range(3)]


def merged(requests: list[bytes]) -> Snapshot:
    whole = merge_snapshots([snapshot for body in requests for snapshot in otlp.snapshots([body])])
    assert whole is not None
    return whole


def test_replicas_are_seen_as_one_model(simulated) -> None:
    gateway = simulated()
    sent = []
    for at in range(8):
        for body in traffic(at):
            sent.append(body)
            assert gateway.send(body) == Accepted()
        gateway.advance(1)
    whole = gateway.merged()[MODEL]
    assert whole.columns == merged(sent).columns
    assert whole.rows == 8 * 3 * 300
    assert max(value for _, value in gateway.signals("ml.window.rows")) == 4 * 3 * 300


def test_names_that_replicas_hash_are_compared_with_a_baseline_that_has_them_plain(simulated) -> None:
    hashed = ModelConfig(columns={"c": ColumnConfig(category_names="hashed")})
    gateway = simulated(config=replace(CONFIG, category_secret="pepper", models={"m": hashed}))
    disguise = Disguise("hashed", "pepper")
    for at in range(8):
        for body in traffic(at):
            (sent,) = otlp.snapshots([body])
            columns = {column: disguise.sketch(sketch) for column, sketch in sent.columns.items()}
            metrics = otlp.sketch_metrics([replace(sent, columns=columns)], temporality=otlp.DELTA)
            gateway.send(metrics_request({"service.name": "s"}, metrics, scope="driftmeter.sketches"))
        gateway.advance(1)
    detected = [
        value for attributes, value in gateway.signals("ml.skew.detected") if attributes["ml.column.name"] == "c"
    ]
    assert detected
    assert not any(detected)


def test_drift_of_all_replicas_is_told_once_and_when_it_ends(simulated) -> None:
    gateway = simulated()
    for at in range(30):
        for body in traffic(at, mean=2.0 if 8 <= at < 16 else 0.0):
            gateway.send(body)
        gateway.advance(1)
    names = [name for name, body in gateway.events() if name.startswith("ml.skew.") and body.startswith("x:")]
    assert names == ["ml.skew.detected", "ml.skew.resolved"]
    detected = [
        value for attributes, value in gateway.signals("ml.skew.detected") if attributes["ml.column.name"] == "x"
    ]
    assert detected[0] == 0
    assert 1 in detected
    assert detected[-1] == 0


@pytest.mark.parametrize("checkpoint", [1, pytest.param(3, marks=pytest.mark.slow), 1000])
def test_a_gateway_that_is_killed_again_and_again_says_what_one_says_that_lives(simulated, checkpoint) -> None:
    living, killed = simulated("living.db", checkpoint=checkpoint), simulated("killed.db", checkpoint=checkpoint)
    sent = []
    for at in range(24):
        for number, body in enumerate(traffic(at, mean=2.0 if at >= 10 else 0.0)):
            sent.append(body)
            for gateway in (living, killed):
                assert gateway.send(body) == Accepted()
            if (at + number) % 4 == 0:
                killed.kill()
                killed.begin()
        for gateway in (living, killed):
            gateway.advance(1)
        if at % 5 == 0:
            killed.kill()
            killed.begin()
        if at % 7 == 0:
            killed.end()
            killed.begin()
    assert killed.events() == living.events()
    assert len(killed.events()) > 0
    assert killed.merged()[MODEL].columns == merged(sent).columns
    for metric in ("ml.skew.detected", "ml.skew.p_value", "ml.window.rows"):
        # A gateway that ends in peace says so far as it knows.
        assert [pair for pair in living.signals(metric) if pair not in killed.signals(metric)] == []


def test_a_request_that_comes_again_is_counted_once_also_after_a_restart(simulated) -> None:
    gateway = simulated()
    body = request(0, START)
    for _ in range(2):
        assert gateway.send(body) == Accepted()
        gateway.kill()
        gateway.begin()
    gateway.end()
    gateway.begin()
    gateway.send(body)
    gateway.advance(2)
    assert gateway.merged()[MODEL].rows == 300


def test_two_services_that_call_their_models_the_same_are_two(simulated) -> None:
    gateway = simulated()
    for service, mean in (("a", 0.0), ("b", 3.0)):
        for at in range(3):
            gateway.send(request(0, START + at * SECOND, service=service, mean=mean))
    gateway.advance(5)
    rows_of = [value for _, value in gateway.signals("ml.window.rows")]
    assert rows_of
    assert max(rows_of) == 900


def test_what_is_not_ours_is_passed_on_as_it_came(simulated) -> None:
    gateway = simulated()
    spans = ExportTraceServiceRequest()
    spans.resource_spans.add().scope_spans.add().spans.add(name="s", trace_id=b"1" * 16, span_id=b"2" * 8)
    body = spans.SerializeToString() + b"\xca\x3e\x03abc"  # a field that is not known here
    assert gateway.send(body, "traces") == Accepted()
    assert gateway.waiting("traces") == [body]


def test_signals_only_sends_nothing_else(simulated) -> None:
    gateway = simulated(signals_only=True)
    gateway.send(request(0, START))
    gateway.send(ExportTraceServiceRequest(resource_spans=[{}]).SerializeToString(), "traces")
    gateway.advance(3)
    assert gateway.waiting("traces") == []
    assert not gateway.merged()
    assert gateway.signals("ml.window.rows")


def test_replicas_sketches_go_on_as_they_came_where_that_is_wanted(simulated) -> None:
    gateway = simulated(sketches="replicas")
    body = request(0, START)
    gateway.send(body)
    gateway.advance(3)
    assert body in gateway.waiting()
    assert gateway.merged()[MODEL].rows == 300, "merged as well"


def test_a_full_outbox_refuses_what_is_to_be_passed_on_and_takes_sketches(simulated) -> None:
    gateway = simulated(max_outbox_bytes=1 << 20)
    span = {"scope_spans": [{"spans": [{"name": "n" * (600 << 10)}]}]}
    body = ExportTraceServiceRequest(resource_spans=[span]).SerializeToString()
    assert gateway.send(body, "traces") == Accepted()
    answer = gateway.send(body, "traces")
    assert isinstance(answer, Overloaded)
    assert answer.retry_after > 0
    assert gateway.send(request(0, START)) == Accepted()


def test_what_the_gateway_has_no_room_for_itself_is_counted_and_events_are_sent_all_the_same(simulated) -> None:
    core = simulated(max_outbox_bytes=1 << 20).core
    outputs = [Output("metrics", bytes(1 << 20), lasts=False), Output("logs", bytes(1 << 20), lasts=True)]
    assert core._intake.fitting(outputs, 1 << 20) == outputs[1:]
    told = ExportMetricsServiceRequest.FromString(core._about_itself(START))
    [sent] = [metric for metric in told.resource_metrics[0].scope_metrics[0].metrics if metric.name.endswith(".sent")]
    [point] = sent.sum.data_points
    assert {pair.key: pair.value.string_value for pair in point.attributes} == {
        "driftmeter.signal": "metrics",
        "driftmeter.outcome": "no_room",
    }
    assert point.as_int == 1


@pytest.mark.parametrize("signal", ["metrics", "traces", "logs"])
def test_what_cannot_be_read_is_refused_and_the_rest_goes_on(simulated, signal) -> None:
    gateway = simulated()
    assert isinstance(gateway.send(b"\xff\xff\xff", signal), Malformed)
    assert gateway.send(request(0, START)) == Accepted()


def test_a_baseline_over_the_wire_is_the_baseline_of_the_model_in_the_service_that_sent_it(simulated, tmp_path) -> None:
    gateway = Simulated(tmp_path / "wire.db", config=Config(window=4, step=1, learn_rows=0))
    try:
        given = Baseline.from_frame(rows(seed=7, count=3000), model="m")
        wire = otlp_with_service(given, "s")
        assert gateway.send(wire) == Accepted()
        gateway.kill()
        gateway.begin()
        for service in ("s", "other"):
            for at in range(4):
                gateway.send(request(0, START + at * SECOND, service=service))
        gateway.advance(5)
        ids = {attributes["ml.baseline.id"] for attributes, _ in gateway.signals("ml.skew.detected")}
        assert ids == {given.id}
        assert len(gateway.signals("ml.skew.share")) == 1, "the other service has none"
    finally:
        gateway.close()


def otlp_with_service(baseline: Baseline, service: str) -> bytes:
    request = ExportMetricsServiceRequest.FromString(baseline.to_otlp())
    pair = request.resource_metrics[0].resource.attributes.add(key="service.name")
    pair.value.string_value = service
    return request.SerializeToString()


def test_a_file_that_comes_into_the_watched_directory_is_a_baseline_and_gone_again(simulated, tmp_path) -> None:
    folder = tmp_path / "baselines"
    folder.mkdir()
    config = Config(window=4, step=1, learn_rows=0)
    gateway = Simulated(tmp_path / "watching.db", config=config, folder=folder)
    try:
        at = 0
        found = []
        for change in (
            None,
            lambda path: Baseline.from_frame(rows(seed=7, count=3000), model="m").save(path),
            Path.unlink,
        ):
            if change is not None:
                change(folder / "m.json")
            for _ in range(3):
                gateway.send(request(0, START + at * SECOND))
                gateway.advance(1)
                at += 1
            found.append(len(gateway.signals("ml.skew.share")))
        assert found[0] == 0 < found[1]
    finally:
        gateway.close()


def test_what_a_service_says_is_told_under_what_its_replicas_share(simulated) -> None:
    gateway = simulated()
    for replica in range(2):
        gateway.send(request(replica, START))
    gateway.advance(3)
    assert resources_told(gateway) == [{"service.name": "s"}]


def test_a_single_replica_s_service_has_the_name_that_it_has_with_several(simulated) -> None:
    gateway = simulated()
    gateway.send(request(0, START))
    gateway.advance(1)
    gateway.send(request(1, START + SECOND))
    gateway.advance(2)
    assert resources_told(gateway) == [{"service.name": "s"}]


def resources_told(gateway) -> list[dict[str, str]]:
    """The resources of what waits to be sent about services, each once; the gateway tells of itself too."""
    told = [
        {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for body in gateway.waiting()
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
    ]
    return [one for at, one in enumerate(told) if one != {"service.name": "gateway"} and one not in told[:at]]


def test_requests_are_refused_while_it_ends_and_what_was_taken_is_kept(simulated) -> None:
    gateway = simulated()
    gateway.send(request(0, START))
    gateway.end()
    assert isinstance(gateway.send(request(1, START)), Unavailable)
    gateway.begin()
    gateway.advance(3)
    assert gateway.merged()[Model("m")].rows == 300
