"""The one guard around driftmeter's own work: its errors are counted and logged, never the caller's trouble."""

from __future__ import annotations

import logging
import os
import sys
from types import TracebackType
from typing import Final

from opentelemetry import metrics

from driftmeter import semconv

_logger = logging.getLogger("driftmeter")
_MAX_LOGGED: Final = 5


class Guard:
    """A context manager that swallows, counts and (the first few) logs exceptions raised inside.

    Under pytest they are raised again, so that no test passes on a swallowed error; ``raises`` overrides that.
    """

    def __init__(self) -> None:
        self.raises: bool | None = None
        self.swallowed = 0
        self._counter = metrics.get_meter(semconv.SCOPE_NAME).create_counter(
            semconv.SELF_ERRORS.name, unit=semconv.SELF_ERRORS.unit, description=semconv.SELF_ERRORS.says
        )

    def __enter__(self) -> None:
        """Nothing is set up: entering costs next to nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if self.raises if self.raises is not None else _is_a_test():
            return False
        self.swallowed += 1
        self._counter.add(1, {semconv.ERROR_TYPE: type(error).__name__})
        if self.swallowed <= _MAX_LOGGED:
            last = " (further ones are only counted)" if self.swallowed == _MAX_LOGGED else ""
            _logger.warning(
                "driftmeter swallowed an error of its own%s: %s", last, error, exc_info=(type(error), error, traceback)
            )
        return True


def _is_a_test() -> bool:
    # A server that a test starts inherits the variable, but not pytest.
    return "PYTEST_CURRENT_TEST" in os.environ and "pytest" in sys.modules


guard: Final = Guard()
