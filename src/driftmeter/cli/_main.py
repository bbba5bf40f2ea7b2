"""The command group, and how its errors look: one line that says what to do, exit code 2, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import click

from driftmeter.cli._alerts import alerts
from driftmeter.cli._baseline import baseline
from driftmeter.cli._dashboards import dashboards
from driftmeter.cli._demo import demo
from driftmeter.cli._gateway import gateway
from driftmeter.exceptions import DriftmeterError


class _Group(click.Group):
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the command line; an error in it is one line."""
        with _errors_of_one_line():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours is one line, and so is one in a command's own part of the line."""
        with _errors_of_one_line():
            return super().invoke(ctx)


@contextmanager
def _errors_of_one_line() -> Iterator[None]:
    try:
        yield
    except DriftmeterError as error:
        raise click.UsageError(str(error)) from None
    except click.UsageError as error:
        # Without arguments click raises the help text (under this name from 8.2 on), which is no error.
        if error.ctx is None or type(error).__name__ == "NoArgsIsHelpError":
            raise
        message = " ".join(error.format_message().split())
        # With its context, click would print three lines more.
        raise click.UsageError(f"{message} See {error.ctx.command_path} -h.") from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("driftmeter"), prog_name="driftmeter")
def main() -> None:
    """Watch machine-learning models in production through OpenTelemetry."""


main.add_command(alerts)
main.add_command(baseline)
main.add_command(dashboards)
main.add_command(demo)
main.add_command(gateway)
