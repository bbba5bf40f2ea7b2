"""uvicorn's servers: what SIGTERM is to do is set right before they take the signal over.

When uvicorn has cleaned up after SIGTERM it raises the signal again, with the action that it found as it began to
serve. Its worker for gunicorn sets the default action after the fork, so that a handler of the parent's is gone by then
and the process would end on the spot::

    gunicorn: our handler -> fork -> UvicornWorker: default action -> Server.capture_signals -> ... -> SIGTERM again
                                                                      our handler once more
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import wrapt

from driftmeter.recorder import guard

_MODULE: Final = "uvicorn.server"


class ServingHook:
    """Has something done in each process in which a uvicorn server begins to serve.

    Args:
        act: What is to be done, in the thread in which the server runs.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._server: Any = None
        self._watched: Any = None
        self._active = True
        wrapt.register_post_import_hook(self._on_import, _MODULE)

    def _on_import(self, module: Any) -> None:
        with guard:
            # Before 0.29 servers had no such method, and did not raise signals again.
            if self._active and hasattr(module.Server, "capture_signals"):
                self._server = module.Server
                self._watched = self._acting(module.Server.capture_signals)
                module.Server.capture_signals = self._watched

    def _acting(
        self, original: Callable[[Any], AbstractContextManager[None]]
    ) -> Callable[[Any], AbstractContextManager[None]]:
        @functools.wraps(original)
        def capture_signals(server: Any) -> AbstractContextManager[None]:
            if self._active:
                with guard:
                    self._act()
            return original(server)

        return capture_signals

    def restore(self) -> None:
        """Do nothing any more, and put the method back, where nobody else has put something in its place."""
        self._active = False
        if self._server is not None and vars(self._server).get("capture_signals") is self._watched:
            self._server.capture_signals = self._watched.__wrapped__
        self._server = None
