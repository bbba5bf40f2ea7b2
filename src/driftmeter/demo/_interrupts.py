"""Ctrl-C, and a polite kill, at a moment when nothing can be left half-done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


class Interrupts:
    """Turn the first of `SIGNALS` into one `KeyboardInterrupt`, held back where the code asks for it.

    Python raises KeyboardInterrupt between any two instructions: also between the start of a process and the
    assignment that remembers it, and again, for an impatient second Ctrl-C, within the clean-up of the first.
    """

    def __init__(self) -> None:
        self._holding = False
        self._pending = False
        self._raised = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within the block; only the main thread may."""
        before: dict[int, Any] = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block is left."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        self._raise_pending()

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal.signal's signature
        self._pending = True
        if not self._holding:
            self._raise_pending()

    def _raise_pending(self) -> None:
        if self._pending and not self._raised:
            self._raised = True
            raise KeyboardInterrupt
