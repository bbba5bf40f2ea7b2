"""From the outbox to the backend, by OTLP gRPC or HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._extra import check_extra
from driftmeter.gateway._inbound import SIGNALS, Signal
from driftmeter.gateway._outbox import Outbox
from driftmeter.gateway._watched import Watched
from driftmeter.gateway.sender._attempt import Lasting, Outcome, Transport
from driftmeter.gateway.sender._lane import Counts, Lane
from driftmeter.gateway.sender._sender_config import SenderConfig
from driftmeter.gateway.sender._target import Target

_log = logging.getLogger(__name__)


class Sender:
    """Sends each signal on its own, so that none waits for another. Made, started and stopped on one event loop.

    An item is settled when the backend has it, or has refused it for good; else it is sent again, after pauses that
    grow, until it was tried for ``export_give_up``. Items of a signal that has no target are dropped.
    """

    def __init__(self, outbox: Outbox, targets: Mapping[Signal, Target], config: SenderConfig) -> None:
        """Read the certificates.

        Raises:
            ConfigError: A certificate or key cannot be used, or aiohttp is needed and not installed.
        """
        self._links = {signal: _Link(target) for signal, target in targets.items()}
        self._lanes = {
            signal: Lane(signal, outbox, self._links[signal].send if signal in self._links else _drop, config)
            for signal in SIGNALS
        }
        self._workers = config.export_requests
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def counts(self) -> dict[Signal, Counts]:
        """What became of the items of each signal, as it is now."""
        return {signal: lane.counts for signal, lane in self._lanes.items()}

    def start(self) -> None:
        """Send what there is, and from now on what comes."""
        for lane in self._lanes.values():
            for _ in range(self._workers):
                task = asyncio.ensure_future(lane.work())
                self._tasks.add(task)
                task.add_done_callback(_tell)

    def wake(self) -> None:
        """Look into the outbox: something was added. From another thread, by ``loop.call_soon_threadsafe``."""
        for lane in self._lanes.values():
            lane.wake()

    async def stop(self, timeout: float) -> bool:
        """Send what there is within so many seconds, without trying again what fails; return whether all was sent.

        What is not stays in the outbox, for the next sender.
        """
        for lane in self._lanes.values():
            lane.end()
        waiting: set[asyncio.Task[None]] = set()
        if self._tasks:
            _, waiting = await asyncio.wait(self._tasks, timeout=timeout)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links.values():
            await link.close()
        return not waiting and not any(count.trouble for count in self.counts.values())


class _Link:
    """One target's transport, made anew when its certificates change."""

    def __init__(self, target: Target) -> None:
        paths = (target.certificate, target.client_certificate, target.client_key)
        self._target = target
        self._watched = Watched(Path(path) for path in paths if path)
        self._transport = transport(target)

    async def send(self, body: bytes) -> Outcome:
        if self._watched.changed():
            await self._renew()
        return await self._transport.send(body)

    async def close(self) -> None:
        await self._transport.close()

    async def _renew(self) -> None:
        try:
            before, self._transport = self._transport, transport(self._target)
        except ConfigError as error:
            _log.error("%s: the certificates stay as they were: %s", self._target.signal, error)
            return
        await before.close()


def transport(target: Target) -> Transport:
    """Return what sends to a target.

    Raises:
        ConfigError: A certificate or key cannot be used, or aiohttp is needed and not installed.
    """
    if target.protocol == "grpc":
        from driftmeter.gateway.sender._grpc_transport import GrpcTransport

        return GrpcTransport(target)
    check_extra()
    from driftmeter.gateway.sender._http_transport import HttpTransport

    return HttpTransport(target)


async def _drop(_body: bytes) -> Outcome:
    return Lasting(reason="there is no endpoint for this signal", whatever=True)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a lane of the sender ended", exc_info=error)
