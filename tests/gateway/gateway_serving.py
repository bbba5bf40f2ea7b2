"""Both servers on loopback, on an event loop in a thread, with a receiver that remembers what it was handed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from google.protobuf.message import DecodeError

from driftmeter.gateway._inbound import Accepted, Answer, Malformed, Signal
from driftmeter.gateway.servers._answers import REQUESTS
from driftmeter.gateway.servers._server_config import ServerConfig
from driftmeter.gateway.servers._servers import Servers


class Inbox:
    """A receiver that parses what it is handed, keeps it, and answers what it is told to; else that all is well."""

    def __init__(self) -> None:
        self.taken: list[tuple[Signal, bytes]] = []
        self.answers: list[Answer | Exception] = []
        self.why_not_ready = ""
        self.waiting = 0
        """Requests that were handed over and are not answered yet; they wait while `free` is not set."""
        self.free = Event()
        self.free.set()

    async def receive(self, signal: Signal, body: bytes) -> Answer:
        self.waiting += 1
        try:
            while not self.free.is_set():
                await asyncio.sleep(0.005)
            return self._take(signal, body)
        finally:
            self.waiting -= 1

    def _take(self, signal: Signal, body: bytes) -> Answer:
        try:
            REQUESTS[signal].FromString(body)
        except DecodeError as error:
            return Malformed(reason=str(error))
        answer = self.answers.pop(0) if self.answers else Accepted()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Accepted):
            self.taken.append((signal, body))
        return answer

    def trouble(self) -> str:
        return self.why_not_ready

    def last(self) -> Any:
        """The newest request, parsed."""
        signal, body = self.taken[-1]
        return REQUESTS[signal].FromString(body)


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def call(self, work: Callable[[], Any]) -> Any:
        async def called() -> Any:
            return work()

        return self.run(called())

    def close(self) -> None:
        async def cancel_the_rest() -> None:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self.run(cancel_the_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Serving:
    def __init__(self, loop: Loop, servers: Servers, inbox: Inbox) -> None:
        self.loop = loop
        self.servers = servers
        self.inbox = inbox

    @property
    def grpc(self) -> str:
        return str(self.servers.addresses["grpc"])

    @property
    def http(self) -> str:
        return str(self.servers.addresses["http"])


@contextmanager
def serving(**settings: Any) -> Iterator[Serving]:
    settings = {"grpc_address": "localhost:0", "http_address": "127.0.0.1:0"} | settings
    loop, inbox = Loop(), Inbox()

    async def start() -> Servers:
        servers = Servers(inbox, ServerConfig(**settings))
        await servers.start()
        return servers

    try:
        servers = loop.run(start())
        try:
            yield Serving(loop, servers, inbox)
        finally:
            loop.run(servers.stop(5))
            assert (servers.gate.requests, servers.gate.bytes) == (0, 0), "what was held was not released"
    finally:
        loop.close()


def eventually(holds: Callable[[], Any], *, within: float = 10.0) -> Any:
    """Wait until something holds, and return what it returned."""
    end = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < end, f"did not come to hold within {within} s"
        time.sleep(0.005)
    return found
