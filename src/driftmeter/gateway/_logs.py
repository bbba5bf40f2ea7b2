"""The gateway's own log: one line an entry, as JSON unless a person reads it in a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final, TextIO

_TEXT: Final = "%(asctime)s %(levelname)-7s %(message)s"


class TextFormatter(logging.Formatter):
    """A line for a terminal, to which what strangers call their models and services must not be able to speak."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the line, with what does not print in escapes."""
        line = super().formatMessage(record)
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, severity, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def log_to(stream: TextIO = sys.stderr, *, style: str = "auto", level: int = logging.INFO) -> None:
    """Send the log to a stream.

    Args:
        stream: Where to.
        style: text, json, or auto: text for a terminal, else JSON.
        level: What is logged at least.
    """
    handler = logging.StreamHandler(stream)
    text = style == "text" or (style == "auto" and stream.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("driftmeter").setLevel(level)
