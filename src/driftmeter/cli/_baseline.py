"""``driftmeter baseline``: look into a baseline file, and send it to a gateway."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from driftmeter.baseline import Baseline
from driftmeter.sketches import NumericSketch, Sketch


@click.group()
def baseline() -> None:
    """Look into baseline files, and send them to a gateway."""


@baseline.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", default="", help="The model to show of a file that holds several.")
def show(file: Path, model: str) -> None:
    """Show what a baseline FILE says: its origin, and each column's distribution."""
    loaded = Baseline.load(file, model=model)
    console = Console()
    about = f"{loaded.model.name} {loaded.model.version}".strip()
    console.print(f"{about}, {loaded.kind}, {loaded.snapshot.rows:,} rows, id {loaded.id}", highlight=False)
    if loaded.created or loaded.source:
        console.print(f"built {loaded.created} {loaded.source}".rstrip(), highlight=False)
    table = Table("column", "role", "kind", "missing", "values")
    for column, sketch in loaded.snapshot.columns.items():
        table.add_row(column.name, column.role, column.kind, f"{sketch.missing:,}", _values(sketch))
    console.print(table)


@baseline.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", default="", help="The model to push of a file that holds several.")
@click.option("--endpoint", default="", metavar="URL", help="Where to; by default OTEL_EXPORTER_OTLP_ENDPOINT.")
def push(file: Path, model: str, endpoint: str) -> None:
    """Send a baseline FILE to a gateway, for the service that OTEL_SERVICE_NAME names."""
    from driftmeter.gateway import push as push_baseline

    loaded = Baseline.load(file, model=model)
    push_baseline(loaded, endpoint=endpoint)
    click.echo(f"sent the {loaded.kind} baseline {loaded.id} of model {loaded.model.name}")


def _values(sketch: Sketch) -> str:
    if isinstance(sketch, NumericSketch):
        if not sketch.count:
            return ""
        quartiles = ", ".join(f"{sketch.quantile(q):.4g}" for q in (0.25, 0.5, 0.75))
        return f"{sketch.min:.4g} to {sketch.max:.4g}, quartiles {quartiles}"
    top = sorted(sketch.counts.items(), key=lambda item: -item[1])[:4]
    return f"{len(sketch.counts)} categories: " + ", ".join(f"{name} {count:,}" for name, count in top)
