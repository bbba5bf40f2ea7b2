"""Warnings that are said once each, however many calls they would come from."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Final

_logger = logging.getLogger("driftmeter")
MAX_SAID: Final = 1000
"""What was said is remembered up to here; then nothing more is said, so that names cannot fill memory or log."""


class LogOnce:
    """Logs a warning the first time that its key comes."""

    def __init__(self) -> None:
        self._said: set[Hashable] = set()

    def warning(self, key: Hashable, message: str, *args: object) -> None:
        """Log the message, with its arguments, unless it was logged under this key before."""
        if key not in self._said and len(self._said) < MAX_SAID:
            self._said.add(key)
            _logger.warning(message, *args)
