"""Durations on the command line, written as in the configuration."""

from __future__ import annotations

import click

from driftmeter.config import duration
from driftmeter.exceptions import ConfigError


def seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Return the seconds of a duration, as the configuration has them."""
    try:
        return duration(value)
    except ConfigError as error:
        raise click.BadParameter(str(error), ctx, param) from None
