"""Where the binaries are, and the reason for which a test is skipped where they are not."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "backends"
BACKENDS = {
    "otelcol": "collector",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "alertmanager": "alertmanager",
    "amtool": "alertmanager",
    "jaeger": "jaeger",
}
"""The name that tools/backends has for what each binary is of."""


@functools.cache
def folder() -> Path:
    """Return the folder that tools/backends builds into."""
    return Path(subprocess.run([SCRIPT, "--where"], capture_output=True, text=True, check=True).stdout.strip())


def binary(name: str) -> str:
    """Return the path of a binary; skip the test where it is not there.

    Args:
        name: One of `BACKENDS`.
    """
    path = folder() / name
    if not path.exists():
        pytest.skip(f"{name} is not there: tools/backends {BACKENDS[name]} builds it")
    return str(path)
