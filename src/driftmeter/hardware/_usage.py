"""What a process uses while a model is called: CPU time and memory.

Both are the whole process's: native code of models works in threads of its own, so the calling thread's time alone says
little. Calls that overlap each see what all of them used.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from typing import Final

from driftmeter import semconv


class Usage:
    """What the process has used up to the moment that this is made."""

    __slots__ = ("_cpu", "_memory")

    def __init__(self) -> None:
        self._memory = _resident()
        self._cpu = time.process_time()

    def since(self) -> dict[str, int | float]:
        """Return what was used since, as attributes of a span: seconds and bytes."""
        cpu = time.process_time() - self._cpu
        memory = _resident()
        return {
            semconv.ML_CALL_CPU_TIME: cpu,
            semconv.ML_CALL_MEMORY_USAGE: memory,
            semconv.ML_CALL_MEMORY_GROWTH: memory - self._memory,
        }


_IS_LINUX: Final = sys.platform.startswith("linux")


def _resident() -> int:
    """Return the resident memory of this process, in bytes."""
    if _IS_LINUX:
        # As psutil does, in a third of the time. It is opened each time: a file that stays open is closed by daemons,
        # and its number is then another file's.
        statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(statm, 128).split()[1]) * mmap.PAGESIZE
        finally:
            os.close(statm)
    import psutil

    return int(psutil.Process().memory_info().rss)
