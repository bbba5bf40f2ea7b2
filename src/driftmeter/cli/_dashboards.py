"""``driftmeter dashboards``: pages for the configuration that the processor runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from driftmeter.cli._duration import seconds
from driftmeter.config import Config, load
from driftmeter.dashboards import Settings, datadog_dashboards, grafana_dashboards
from driftmeter.environment_variables import DRIFTMETER_CONFIG
from driftmeter.exceptions import ConfigError
from driftmeter.prometheus_names import NAMINGS, Naming

_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The YAML file of the configuration, instead of DRIFTMETER_CONFIG.",
)
_output = click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to write the dashboards to; it is made where there is none.",
)


@click.group()
def dashboards() -> None:
    """Write dashboards for the configuration that the processor runs on."""


@dashboards.command(short_help="Write dashboards that Grafana imports or provisions.")
@_config
@_output
@click.option(
    "--names",
    type=click.Choice(NAMINGS),
    default="otlp",
    show_default=True,
    help="How metrics are named: as Prometheus' OTLP receiver does, as its pull exporter does, or without suffixes.",
)
@click.option("--interval", callback=seconds, default="60s", show_default=True, help="How often processes export.")
def grafana(*, path: Path | None, output: Path, names: Naming, interval: float) -> None:
    """Write an overview of all models and a page of one model, as JSON that Grafana imports or provisions."""
    _write(grafana_dashboards(Settings(config=_load(path), naming=names, interval=interval)), output)


@dashboards.command(short_help="Write dashboards for Datadog's API.")
@_config
@_output
def datadog(*, path: Path | None, output: Path) -> None:
    """Write an overview of all models and a page of one model, as bodies for POST /api/v1/dashboard."""
    _write(datadog_dashboards(Settings(config=_load(path))), output)


def _load(path: Path | None) -> Config:
    return load(environ=os.environ if path is None else {**os.environ, DRIFTMETER_CONFIG: str(path)})


def _write(files: Mapping[str, str], output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"output must be a folder that can be written to; {output}: {error.strerror}") from None
    for name in files:
        click.echo(output / name)
