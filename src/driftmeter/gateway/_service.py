"""The gateway as a whole: servers, core and sender, put together, started, and drained when it is told to end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from driftmeter.config import Config, load, load_section, variable_name
from driftmeter.exceptions import ConfigError
from driftmeter.gateway._inbound import SIGNALS, Signal
from driftmeter.gateway.core._baselines import Baselines
from driftmeter.gateway.core._core import Core
from driftmeter.gateway.core._core_config import CoreConfig
from driftmeter.gateway.core._engine import Engine
from driftmeter.gateway.core._intake import Intake
from driftmeter.gateway.core._own_metrics import OwnMetrics, own_resource
from driftmeter.gateway.core._store import Store, set_aside
from driftmeter.gateway.sender._sender import Sender
from driftmeter.gateway.sender._sender_config import SenderConfig
from driftmeter.gateway.sender._target import Target, targets
from driftmeter.gateway.servers._server_config import ServerConfig
from driftmeter.gateway.servers._servers import Servers
from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._ledger import Ledger
from driftmeter.gateway.streams._limits import Limits
from driftmeter.recorder import load_baselines
from driftmeter.typing import Clock

_logger = logging.getLogger("driftmeter.gateway")
_SECOND: Final = 1_000_000_000
GRACE: Final = 90.0
"""Seconds that a step waits by default: replicas export every minute, each at a time of its own."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """All that a gateway can be told."""

    processor: Config
    core: CoreConfig
    servers: ServerConfig
    sender: SenderConfig
    targets: Mapping[Signal, Target]


def load_gateway(
    *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> GatewayConfig:
    """Return the configuration in force.

    Args:
        environ: Environment variables; the process's own by default.
        overrides: Keys given on the command line; they win.

    Raises:
        ConfigError: A value breaks its rule; the message names it.
    """
    environ = os.environ if environ is None else environ
    # As if the environment said so, which is the first of all places, so that any other wins.
    processor = load(environ={variable_name("grace"): f"{GRACE:g}", **environ})
    core, servers, sender = load_section(
        "gateway", (CoreConfig, ServerConfig, SenderConfig), environ=environ, overrides=overrides
    )
    return GatewayConfig(processor, core, servers, sender, targets(sender, environ))


class Gateway:
    """One gateway process's parts, made on its event loop.

    Args:
        config: The configuration.
        reset: Whether to keep a state file aside that is there, and to start fresh.
        clock: Says the time, Unix nanoseconds.

    Raises:
        ConfigError: A file or an address cannot be used.
        BaselineError: A baseline that the configuration names cannot be read.
    """

    def __init__(self, config: GatewayConfig, *, reset: bool = False, clock: Clock = time.time_ns) -> None:
        own, rules = config.core, config.processor
        if own.baselines and not Path(own.baselines).is_dir():
            raise ConfigError(f"baselines must be a folder that exists; got {own.baselines!r}")
        self._config = config
        window, step = round(rules.window * _SECOND), round(rules.step * _SECOND)
        limits = Limits(streams=own.max_streams, models=own.max_models, stream_idle=round(own.stream_idle * _SECOND))
        self._baselines = Baselines(load_baselines(rules), folder=Path(own.baselines) if own.baselines else None)
        engine = Engine(
            rules,
            Ledger(window=window, step=step, limits=limits),
            self._baselines,
            merged=own.merged,
            idle=round(own.model_idle * _SECOND),
        )
        metrics = OwnMetrics(own_resource(), clock())
        self.core = Core(
            partial(_opened, own, reset=reset),
            engine,
            Intake(own, Decoder(limits)),
            metrics=metrics,
            step=step,
            checkpoint=round(own.checkpoint * _SECOND),
            clock=clock,
        )
        self._metrics = metrics
        self.servers = Servers(self.core, config.servers)
        self.sender = Sender(self.core, config.targets, config.sender)

    async def run(self, until: asyncio.Event) -> None:
        """Serve until an event is set, then drain.

        Raises:
            StateError: The state file cannot be used.
            ConfigError: An address cannot be listened at.
        """
        loop = asyncio.get_running_loop()
        self.core.wake = partial(loop.call_soon_threadsafe, self.sender.wake)
        try:
            await self.servers.start()
            self._check_loops()
            await loop.run_in_executor(None, self.core.start)
            self.sender.start()
            self._metrics.follow(self.servers.gate, self.sender)
            self._introduce()
            await until.wait()
        finally:
            await self._drain()
            await loop.run_in_executor(None, self.core.stop)

    def _introduce(self) -> None:
        own, rules = self._config.core, self._config.processor
        _logger.info(
            "driftmeter %s: windows of %g s, evaluated each %g s after %g s of grace; state in %s; baselines from %s; "
            "sends to %s",
            version("driftmeter"),
            rules.window,
            rules.step,
            rules.grace,
            own.state,
            own.baselines or "the configuration alone",
            ", ".join(f"{target.endpoint} ({name})" for name, target in self._config.targets.items()) or "nobody",
        )

    def _check_loops(self) -> None:
        for target in self._config.targets.values():
            for address in self.servers.addresses.values():
                if target.reaches(address):
                    raise ConfigError(
                        f"the endpoint that {target.signal} are sent to must not be the gateway's own address, "
                        f"{address}; got {target.endpoint!r}"
                    )
        for name in SIGNALS:
            if name not in self._config.targets:
                _logger.warning(
                    "nothing is told to receive %s, so they are let go: set export_endpoint, or "
                    "OTEL_EXPORTER_OTLP_ENDPOINT",
                    name,
                )

    async def _drain(self) -> None:
        allowed = self._config.core.drain
        if not await self.servers.stop(allowed):
            _logger.warning("requests were not answered within %g s", allowed)
        if self.core.running:
            await self.core.finish()
        if not await self.sender.stop(allowed) and self.core.has_waiting:
            _logger.warning("what waits to be sent stays in the state file, and is sent after the next start")


def _opened(own: CoreConfig, *, reset: bool) -> Store:
    """Open the state file, after keeping aside the one that is there if so asked."""
    path = Path(own.state)
    if reset:
        aside = set_aside(path)
        if aside is not None:
            _logger.warning("the state is kept aside as %s", aside)
    return Store(path, durable=own.durable)


async def serve(config: GatewayConfig, *, reset: bool = False) -> None:
    """Run a gateway until SIGTERM or SIGINT; arguments and errors as of `Gateway`."""
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, until.set)
    await Gateway(config, reset=reset).run(until)
