"""Files that may be replaced while the gateway runs: certificates, keys, tokens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Final

LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at the files."""


class Watched:
    """Says whether files have changed since it was asked last. It looks when it is asked, at most once a second."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._stamps = [_stamp(path) for path in self._paths]
        self._looked = monotonic()

    def changed(self) -> bool:
        """Look at the files, and return whether one is not what it was."""
        now = monotonic()
        if now - self._looked < LOOK_AGAIN:
            return False
        self._looked = now
        before, self._stamps = self._stamps, [_stamp(path) for path in self._paths]
        return before != self._stamps


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
