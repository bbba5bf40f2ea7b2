"""Send what the demo receives to the user's own OTLP endpoint too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from time import monotonic
from typing import Any, Final

import httpx

from driftmeter.demo._receiver import PROTOBUF, Delivery
from driftmeter.gateway._inbound import METHODS, Signal
from driftmeter.gateway.sender._target import Target

_log = logging.getLogger(__name__)

MAX_WAITING: Final = 256
"""Requests that may wait to be sent; more are dropped."""


class Forwarder:
    """Pass requests on in the background. Trouble is said once in the log and never reaches the caller."""

    def __init__(self, found: Mapping[Signal, Target]) -> None:
        self._waiting: Queue[Delivery | None] = Queue(MAX_WAITING)
        self._targets = dict(found)
        self._senders: dict[Signal, _HttpSender | _GrpcSender] = {}
        self._troubled = False
        self._deadline = float("inf")
        self.sent = 0
        self._thread = Thread(target=self._work, name="demo-forwarder", daemon=True)
        self._thread.start()

    def put(self, delivery: Delivery) -> None:
        """Queue a request for the user's endpoint; drop it when the queue is full."""
        if delivery.signal not in self._targets:
            return
        try:
            self._waiting.put_nowait(delivery)
        except Full:
            self._say(self._targets[delivery.signal], "it is too slow, some data is left out")

    def close(self, *, timeout: float = 3.0) -> None:
        """Send what waits, for at most `timeout` seconds, and stop."""
        self._deadline = monotonic() + timeout
        try:
            self._waiting.put(None, timeout=timeout)
        except Full:
            return
        self._thread.join(timeout)

    def _work(self) -> None:
        while (delivery := self._waiting.get()) is not None and monotonic() < self._deadline:
            target = self._targets[delivery.signal]
            try:
                self._sender(target).send(delivery)
                self.sent += 1
            except Exception as error:  # noqa: BLE001 - nothing at the user's endpoint may stop the demo
                self._say(target, _reason(error))
        for sender in self._senders.values():
            sender.close()

    def _sender(self, target: Target) -> _HttpSender | _GrpcSender:
        if target.signal not in self._senders:
            made = _GrpcSender(target) if target.protocol == "grpc" else _HttpSender(target)
            self._senders[target.signal] = made
        return self._senders[target.signal]

    def _say(self, target: Target, reason: str) -> None:
        if not self._troubled:
            self._troubled = True
            _log.warning("sending to %s (%s) does not work: %s", target.endpoint, target.protocol, reason)


def _reason(error: Exception) -> str:
    details = getattr(error, "details", None)  # grpc.RpcError keeps its one readable line there
    text = str(details() if callable(details) else error).strip() or type(error).__name__
    return text.splitlines()[0]


class _HttpSender:
    def __init__(self, target: Target) -> None:
        self._client = httpx.Client(
            headers={**target.headers, "Content-Type": PROTOBUF},
            timeout=target.timeout,
            verify=_verification(target.certificate),
        )
        self._endpoint = target.endpoint

    def send(self, delivery: Delivery) -> None:
        self._client.post(self._endpoint, content=delivery.body).raise_for_status()

    def close(self) -> None:
        self._client.close()


def _verification(certificate: str) -> Any:
    if not certificate:
        return True
    import ssl

    return ssl.create_default_context(cafile=certificate)


class _GrpcSender:
    def __init__(self, target: Target) -> None:
        import grpc  # type: ignore[import-untyped]  # its stubs are a package that nothing else here needs

        address = str(target.host_and_port)
        if not target.secure:
            self._channel = grpc.insecure_channel(address)
        else:
            roots = Path(target.certificate).read_bytes() if target.certificate else None
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(roots))
        # The bytes are passed on as they came: no serializer in either direction.
        self._call = self._channel.unary_unary(METHODS[target.signal])
        self._metadata = tuple((name.lower(), value) for name, value in target.headers.items())
        self._timeout = target.timeout

    def send(self, delivery: Delivery) -> None:
        self._call(delivery.body, timeout=self._timeout, metadata=self._metadata)

    def close(self) -> None:
        self._channel.close()
