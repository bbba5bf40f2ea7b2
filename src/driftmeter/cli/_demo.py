"""`driftmeter demo`."""

from __future__ import annotations

import sys
from datetime import datetime

import click


class _Refusal(click.ClickException):
    """One line that says what to do."""

    exit_code = 2


@click.command(short_help="Watch a model on a year of real flights, start to end.")
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="Send at most N flights.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Send flights for at most N seconds.",
)
@click.option(
    "--from",
    "since",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DATE",
    help="Start with the flights of this day of 2013, from 2013-03-01 (the default) on.",
)
@click.option(
    "--pace",
    type=click.IntRange(min=1, max=60),
    metavar="SECONDS",
    help="Let a window last so long; by default as long as a week takes on this machine.",
)
@click.option("--shuffle", is_flag=True, help="Shuffle the flights over the year first: nothing should move then.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a window to standard output.")
def demo(
    *,
    rows: int | None,
    seconds: float | None,
    since: datetime | None,
    pace: int | None,
    shuffle: bool,
    as_json: bool,
) -> None:
    """Train a model on New York's flights of January and February 2013, serve it, and watch it through the year.

    The app that serves has no line of driftmeter in it: it runs under opentelemetry-instrument, in a process of its
    own. The flights from March on are sent to it over HTTP, a week every second. What driftmeter finds leaves the
    server by OTLP and is shown as it arrives. Nothing else runs, and nothing is left behind.

    When OTEL_EXPORTER_OTLP_ENDPOINT is set, everything is sent there too.
    """
    from driftmeter.demo import DemoError, Options, run

    day = None if since is None else since.date()
    try:
        code = run(Options(rows=rows, seconds=seconds, since=day, pace=pace, shuffle=shuffle, json=as_json))
    except DemoError as error:
        raise _Refusal(str(error)) from error
    sys.exit(code)
