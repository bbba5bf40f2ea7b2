"""What the scripts that write pages of docs/ share: write the page, or say that it is not up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main(render: Callable[[], str], *, page: str, script: str) -> None:
    """Write a page of docs/, or with ``--check`` only compare it; exit code 1 when it is not up to date."""
    parser = argparse.ArgumentParser(description=f"Write docs/{page}.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the page is not up to date")
    path = DOCS / page
    text = render()
    if not parser.parse_args().check:
        path.write_text(text, encoding="utf-8")
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        sys.exit(f"docs/{page} is not up to date: run python tools/{script}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """Return a text in the typeface of code; nothing for an empty one."""
    return f"`{text}`" if text else ""
