"""``driftmeter alerts``: rules and monitors from the configuration that the processor runs on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from driftmeter.alerts import (
    RUNBOOKS,
    Recording,
    Settings,
    datadog_monitors,
    grafana_provisioning,
    prometheus_rules,
    prometheus_tests,
    promql_rules,
    promql_tests,
)
from driftmeter.baseline import Baseline
from driftmeter.cli._duration import seconds
from driftmeter.config import Config, load
from driftmeter.environment_variables import DRIFTMETER_CONFIG
from driftmeter.exceptions import ConfigError
from driftmeter.prometheus_names import NAMINGS, Naming

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PATH: Final = click.Path(path_type=Path, dir_okay=False)


_CONFIG: Final = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The YAML file of the configuration, instead of DRIFTMETER_CONFIG.",
)
_OUTPUT: Final = click.option("--output", "-o", type=_PATH, help="The file to write; by default standard output.")
_TESTS: Final = click.option(
    "--tests", type=_PATH, help="Also write unit tests of the rules, for promtool; needs --output."
)
_OPTIONS: Final = (
    _CONFIG,
    _OUTPUT,
    click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label of every alert."),
    click.option("--runbooks", default=RUNBOOKS, metavar="URL", help="The page that runbook links lead to."),
    click.option("--error-budget", default=0.001, show_default=True, help="The share of calls that may fail."),
    click.option("--latency", callback=seconds, default="1s", show_default=True, help="What call is slow."),
    click.option("--latency-budget", default=0.01, show_default=True, help="The share of calls that may be slow."),
    click.option("--period", callback=seconds, default="30d", show_default=True, help="The time of the budgets."),
    click.option("--stale-after", callback=seconds, default="90d", show_default=True, help="When a baseline is old."),
    click.option(
        "--worse", default=0.1, show_default=True, help="By what share performance may fall behind last week's."
    ),
    click.option("--gpu-memory", default=0.95, show_default=True, help="The share of a GPU's memory that may be used."),
    click.option("--gpu-temperature", default=87.0, show_default=True, help="Degrees Celsius that a GPU may have."),
)
_NAMES: Final = click.option(
    "--names",
    type=click.Choice(NAMINGS),
    default="otlp",
    show_default=True,
    help="How metrics are named: as Prometheus' OTLP receiver does, as its pull exporter does, or without suffixes.",
)


def _with_settings(command: _Command) -> _Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group()
def alerts() -> None:
    """Write alerts for the configuration that the processor runs on."""


@alerts.command()
@_with_settings
@_NAMES
@_TESTS
def prometheus(*, tests: Path | None, output: Path | None, **options: Any) -> None:
    """Write a rule file for Prometheus or Mimir."""
    settings = _settings(**options)
    _write_with_tests(prometheus_rules(settings), output, tests, lambda rules: prometheus_tests(settings, rules=rules))


@alerts.command()
@_CONFIG
@_OUTPUT
@_NAMES
@_TESTS
@click.option("--baseline", type=_PATH, required=True, help="The baseline file that windows are compared with.")
@click.option("--model", default="", help="The model to take from a file that holds several.")
@click.option("--interval", callback=seconds, default="60s", show_default=True, help="How often processes export.")
@click.option(
    "--rows", type=click.IntRange(min=1), help="The least rows of a window that has a value; more rules the fewer."
)
@click.option("--bins", is_flag=True, help="Use ml.column.bins for all numeric columns, not native histograms.")
def promql(
    *,
    path: Path | None,
    output: Path | None,
    names: Naming,
    tests: Path | None,
    baseline: Path,
    model: str,
    interval: float,
    rows: int | None,
    bins: bool,
) -> None:
    """Write recording rules that compute each column's distances from a baseline inside of Prometheus or Mimir."""
    recording = Recording(
        baseline=Baseline.load(baseline, model=model),
        config=_config(path),
        naming=names,
        interval=interval,
        least_rows=rows,
        source="bins" if bins else "auto",
    )
    _write_with_tests(promql_rules(recording), output, tests, lambda rules: promql_tests(recording, rules=rules))


@alerts.command()
@_with_settings
@_NAMES
@click.option("--datasource", default="prometheus", show_default=True, help="The data source's uid.")
@click.option("--folder", default="driftmeter", show_default=True, help="The folder that rules are put in.")
def grafana(*, datasource: str, folder: str, output: Path | None, **options: Any) -> None:
    """Write a file that provisions Grafana's alerting."""
    _write(grafana_provisioning(_settings(**options), datasource=datasource, folder=folder), output)


@alerts.command()
@_with_settings
@click.option("--notify", default="", metavar="HANDLES", help="Who is told, '@slack-models @pagerduty' say.")
def datadog(*, notify: str, output: Path | None, **options: Any) -> None:
    """Write monitors for Datadog's API, a JSON list."""
    _write(datadog_monitors(_settings(**options), notify=notify), output)


def _settings(*, path: Path | None, labels: tuple[str, ...], names: Naming = "otlp", **options: Any) -> Settings:
    return Settings(config=_config(path), naming=names, labels=_pairs(labels), **options)


def _config(path: Path | None) -> Config:
    return load(environ=os.environ if path is None else {**os.environ, DRIFTMETER_CONFIG: str(path)})


def _pairs(labels: tuple[str, ...]) -> dict[str, str]:
    wrong = [label for label in labels if "=" not in label]
    if wrong:
        raise ConfigError(f"label must be NAME=VALUE; got {wrong[0]!r}")
    return dict(label.split("=", 1) for label in labels)


def _write_with_tests(rules: str, output: Path | None, tests: Path | None, make: Callable[[str], str]) -> None:
    if tests is not None and output is None:
        raise click.UsageError("--tests needs --output: the tests name the file of the rules.")
    _write(rules, output)
    if tests is not None and output is not None:
        _write(make(_seen_from(tests, output)), tests)


def _seen_from(tests: Path, rules: Path) -> str:
    """Return the path of the rules from the folder of their tests."""
    return Path(os.path.relpath(rules, tests.parent)).as_posix()


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"output must be a file that can be written; {output}: {error.strerror}") from None
