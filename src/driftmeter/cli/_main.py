"""The command group, and how its errors look: one line that says what to do, exit code 2, never a traceback."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import click

from driftmeter.cli._baseline import baseline
from driftmeter.cli._demo import demo
from driftmeter.exceptions import DriftmeterError


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours is one line."""
        try:
            return super().invoke(ctx)
        except DriftmeterError as error:
            raise click.UsageError(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("driftmeter"), prog_name="driftmeter")
def main() -> None:
    """Watch machine-learning models in production through OpenTelemetry."""


main.add_command(baseline)
main.add_command(demo)
