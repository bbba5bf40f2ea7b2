"""``driftmeter gateway``: all replicas of a model seen as one, between a collector and a backend."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import click

from driftmeter.environment_variables import DRIFTMETER_CONFIG


@click.command()
@click.option("--config", "file", default="", metavar="FILE", help=f"YAML; by default what {DRIFTMETER_CONFIG} names.")
@click.option("--grpc-address", metavar="HOST:PORT", help="Where OTLP/gRPC is served.  [127.0.0.1:4317]")
@click.option("--http-address", metavar="HOST:PORT", help="Where OTLP/HTTP is served.  [127.0.0.1:4318]")
@click.option("--endpoint", "export_endpoint", metavar="URL", help="Where all is sent on to.")
@click.option("--state", metavar="FILE", help="The state file.  [driftmeter-gateway.db]")
@click.option("--baselines", metavar="FOLDER", help="Baseline files, *.json; the folder is watched.")
@click.option("--signals-only", is_flag=True, default=None, help="Send on nothing but the gateway's own signals.")
@click.option("--reset", is_flag=True, help="Keep the state file aside, and start fresh.")
def gateway(*, file: str, reset: bool, **options: Any) -> None:
    """Receive OTLP from all replicas of a model, merge their sketches, and send signals on.

    Every key of the configuration's section `gateway` is also an environment variable, DRIFTMETER_GATEWAY_<KEY>; see
    docs/gateway.md.
    """
    from driftmeter.gateway import load_gateway, log_to, serve

    environ = {**os.environ, DRIFTMETER_CONFIG: file} if file else os.environ
    overrides = {name: value for name, value in options.items() if value is not None}
    config = load_gateway(environ=environ, overrides=overrides)
    log_to(style=config.core.log)
    asyncio.run(serve(config, reset=reset))
