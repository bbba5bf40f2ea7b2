"""What the parameters of a network tell of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from driftmeter.recorder import digest_of


def shapes_of(parameters: Iterable[Any]) -> str:
    """Return a digest of their shapes: what stays when a network is trained again; empty where there are none yet."""
    try:
        return digest_of([list(map(int, parameter.shape)) for parameter in parameters] or None)
    except (RuntimeError, ValueError):  # those that are made at the first call have none before
        return ""
