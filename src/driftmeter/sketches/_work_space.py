"""Work space that is lent: as much as threads work at one moment, not as much as there are threads.

Fresh memory of a megabyte costs more, page by page, than what is done with it; and a server's pool has forty threads,
each of which sketches a batch now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

_KEPT: Final = 2
"""Work spaces kept for the next thread that works."""

T = TypeVar("T")


class WorkSpace(Generic[T]):
    """Lends what ``make`` makes, each to one thread at a time."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._free: list[T] = []

    @contextmanager
    def lent(self) -> Iterator[T]:
        """Lend one, that nobody else uses until it is given back."""
        try:
            space = self._free.pop()
        except IndexError:
            space = self._make()
        try:
            yield space
        finally:
            if len(self._free) < _KEPT:
                self._free.append(space)
