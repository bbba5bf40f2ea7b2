"""From the outbox to a real OTLP receiver, which fails in every way it can; and what becomes of each request."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest
from gateway_sending import sending
from gateway_serving import Serving, eventually, serving

from driftmeter.gateway._inbound import SIGNALS, Accepted, Overloaded, Signal, Unavailable
from driftmeter.gateway.sender._target import Target

PROTOCOLS = ("grpc", "http/protobuf")
ONE, TWO, THREE = (b"\x0a" + bytes([2 * size]) + b"\x12\x00" * size for size in (1, 2, 3))
"""Requests with one resource of one, two and three empty scopes."""


def targets(served: Serving, protocol: str, *signals: Signal, **settings: object) -> dict[Signal, Target]:
    def endpoint(signal: Signal) -> str:
        return f"http://{served.grpc}" if protocol == "grpc" else f"http://{served.http}/v1/{signal}"

    return {
        signal: Target(signal=signal, endpoint=endpoint(signal), protocol=protocol, **({"timeout": 10.0} | settings))
        for signal in signals or SIGNALS
    }


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving() as served:
        yield served


@pytest.fixture
def served(shared: Serving) -> Serving:
    shared.inbox.taken.clear()
    shared.inbox.answers.clear()
    shared.servers.gate.outcomes.clear()
    return shared


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_signal_arrives_byte_for_byte(served: Serving, protocol: str, compression: str) -> None:
    unknown = b"\xfa\x3f\x03new"  # field 1023
    with sending(targets(served, protocol, compression=compression)) as made:
        for signal, body in zip(SIGNALS, (ONE, TWO + unknown, THREE * 10_000), strict=True):
            made.put(signal, body)
        made.all_settled()
        assert sorted(served.inbox.taken) == sorted(zip(SIGNALS, (ONE, TWO + unknown, THREE * 10_000), strict=True))
        assert [made.sender.counts[signal].sent for signal in SIGNALS] == [1, 1, 1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_waits_is_sent_in_order_several_requests_as_one(served: Serving, protocol: str) -> None:
    served.inbox.free.clear()
    with sending(targets(served, protocol, "metrics"), export_batch_bytes=1000) as made:
        made.put("metrics", ONE)
        eventually(lambda: served.inbox.waiting == 1)
        made.put("metrics", *[TWO, THREE] * 100, ONE * 600, TWO)
        served.inbox.free.set()
        made.all_settled()
    bodies = [body for _, body in served.inbox.taken]
    assert b"".join(bodies) == ONE + (TWO + THREE) * 100 + ONE * 600 + TWO
    assert bodies[0] == ONE
    assert ONE * 600 in bodies, "what is larger than a batch goes alone"
    assert max(len(body) for body in bodies if body != ONE * 600) <= 1000
    assert made.sender.counts["metrics"].sent == 203


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "answer", [Overloaded(reason="busy", retry_after=0.2), Unavailable(reason="no disk", retry_after=0.2)]
)
def test_a_failure_that_passes_is_tried_again_not_before_it_is_asked_to(
    served: Serving, protocol: str, answer: Overloaded | Unavailable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    served.inbox.answers = [answer]
    least = 0.2 if protocol == "grpc" else 1.0  # Retry-After has whole seconds
    begin = time.monotonic()
    with sending(targets(served, protocol, "logs")) as made:
        made.put("logs", ONE)
        eventually(lambda: made.sender.counts["logs"].trouble)
        made.put("logs", TWO)
        made.all_settled()
        assert time.monotonic() - begin >= least
        counts = made.sender.counts["logs"]
        assert (counts.sent, counts.retries, counts.dropped, counts.trouble) == (2, 1, 0, "")
    assert served.inbox.taken == [("logs", ONE), ("logs", TWO)]
    said = [record.getMessage() for record in caplog.records if record.name.endswith("_lane")]
    assert len(said) == 2
    assert answer.reason in said[0]
    assert said[1] == "logs: sending works again"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_poisoned_request_is_dropped_and_those_around_it_are_sent(
    served: Serving, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    poison = b"\xff\xff"
    served.inbox.free.clear()
    with sending(targets(served, protocol, "metrics")) as made:
        made.put("metrics", ONE)
        eventually(lambda: served.inbox.waiting == 1)
        made.put("metrics", ONE, TWO, poison, THREE, ONE, poison, TWO)
        served.inbox.free.set()
        made.all_settled()
        counts = made.sender.counts["metrics"]
        assert (counts.sent, counts.dropped, counts.retries) == (6, 2, 0)
    assert b"".join(body for _, body in served.inbox.taken) == ONE + ONE + TWO + THREE + ONE + TWO
    assert "cannot be sent" in caplog.text


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_backend_rejects_of_a_request_is_counted_and_said(
    served: Serving, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    served.inbox.answers = [Accepted(rejected=7, message="too old"), Accepted(message="use version 2")]
    with sending(targets(served, protocol, "traces")) as made:
        made.put("traces", ONE)
        made.all_settled()
        made.put("traces", TWO)
        made.all_settled()
        counts = made.sender.counts["traces"]
        assert (counts.sent, counts.rejected, counts.dropped) == (2, 7, 0)
    assert "all but 7 of a request: too old" in caplog.text
    assert "use version 2" in caplog.text


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_signal_that_cannot_be_sent_does_not_hold_up_the_others(served: Serving, protocol: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        ways = targets(served, protocol)
        ways["logs"] = Target(signal="logs", endpoint=nowhere, protocol=protocol)
        with sending(ways) as made:
            made.put("logs", ONE)
            eventually(lambda: made.sender.counts["logs"].retries >= 3)
            made.put("metrics", ONE)
            made.put("traces", TWO)
            eventually(lambda: len(served.inbox.taken) == 2)
            assert made.sender.counts["logs"].trouble
            assert made.stop(5) is False
            assert [signal for signal, _ in made.outbox.items] == ["logs"], "it stays for the next sender"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_backend_that_was_down_gets_everything_in_order_when_it_is_up(protocol: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
    path = "" if protocol == "grpc" else "/v1/metrics"
    target = Target(signal="metrics", endpoint=f"http://{address}{path}", protocol=protocol)
    with sending({"metrics": target}) as made:
        made.put("metrics", ONE, TWO)
        eventually(lambda: made.sender.counts["metrics"].retries >= 2)
        made.put("metrics", THREE)
        with serving(**{"grpc_address" if protocol == "grpc" else "http_address": address}) as served:
            made.all_settled()
            assert b"".join(body for _, body in served.inbox.taken) == ONE + TWO + THREE


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_credentials_that_are_not_taken_drop_everything_and_say_so(
    protocol: str, tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tokens").write_text("the right one\n".replace(" ", "-"))
    with serving(tokens=str(tmp_path / "tokens")) as served:
        wrong = targets(served, protocol, "metrics", headers={"authorization": "Bearer wrong"})
        with sending(wrong) as made:
            made.put("metrics", ONE, TWO, THREE)
            made.all_settled()
            assert made.sender.counts["metrics"].dropped == 3
            assert "not known" in made.sender.counts["metrics"].trouble
        right = targets(served, protocol, "metrics", headers={"authorization": "Bearer the-right-one"})
        with sending(right) as made:
            made.put("metrics", ONE)
            made.all_settled()
            assert made.sender.counts["metrics"].sent == 1
    assert "wrong" not in caplog.text, "headers are secrets"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_backend_that_does_not_answer_is_left_after_the_timeout_and_tried_again(
    served: Serving, protocol: str
) -> None:
    served.inbox.free.clear()
    with sending(targets(served, protocol, "metrics", timeout=0.2)) as made:
        made.put("metrics", ONE)
        eventually(lambda: made.sender.counts["metrics"].retries >= 2)
        served.inbox.free.set()
        made.all_settled()
        assert made.sender.counts["metrics"].sent == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_stop_sends_what_waits(served: Serving, protocol: str) -> None:
    with sending(targets(served, protocol), export_batch_bytes=1) as made:

        def put() -> None:
            for signal in SIGNALS:
                made.outbox.put(signal, *[ONE] * 20)
            made.sender.wake()

        made.loop.call(put)
        assert made.stop(20) is True
        assert made.outbox.items == []
    assert len(served.inbox.taken) == 60


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_stop_ends_in_time_and_leaves_what_is_not_sent(served: Serving, protocol: str) -> None:
    served.inbox.free.clear()
    with sending(targets(served, protocol, "metrics")) as made:
        made.put("metrics", ONE)
        eventually(lambda: served.inbox.waiting == 1)
        assert made.stop(0.1) is False
        assert [item.body for _, item in made.outbox.items] == [ONE]
    served.inbox.free.set()
    eventually(lambda: served.servers.gate.requests == 0)


def test_several_requests_of_a_signal_may_be_on_their_way(served: Serving) -> None:
    served.inbox.free.clear()
    with sending(targets(served, "grpc", "traces"), export_requests=4, export_batch_bytes=1) as made:
        made.put("traces", *[ONE] * 10)
        eventually(lambda: served.inbox.waiting == 4)
        assert made.sender.counts["traces"].in_flight == 4
        served.inbox.free.set()
        made.all_settled()
    assert len(served.inbox.taken) == 10


def test_an_item_without_a_target_is_dropped(served: Serving) -> None:
    with sending(targets(served, "grpc", "metrics")) as made:
        made.put("logs", ONE, TWO)
        made.put("metrics", ONE)
        made.all_settled()
        assert made.sender.counts["logs"].dropped == 2
        assert made.sender.counts["metrics"].sent == 1


def test_an_outbox_that_fails_is_asked_again(served: Serving, caplog: pytest.LogCaptureFixture) -> None:
    with sending(targets(served, "grpc", "metrics")) as made:
        made.outbox.broken = True
        made.put("metrics", ONE)
        eventually(lambda: made.sender.counts["metrics"].trouble)
        made.outbox.broken = False
        made.all_settled()
        assert served.inbox.taken == [("metrics", ONE)]
        assert made.sender.counts["metrics"].trouble == ""
    assert "no space left on device" in caplog.text
