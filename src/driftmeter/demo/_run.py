"""The demo from start to end: data, training, serving, traffic, signals, summary."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console

from driftmeter.demo._errors import DemoError
from driftmeter.demo._extra import check_extra
from driftmeter.demo._interrupts import Interrupts
from driftmeter.demo._json_view import JsonView
from driftmeter.demo._live_view import LiveView
from driftmeter.demo._plain_view import PlainView
from driftmeter.demo._summary import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftmeter.demo._flights import Flights
    from driftmeter.demo._furthest import Retelling
    from driftmeter.demo._inbox import Inbox
    from driftmeter.demo._receiver import Delivery, Receiver
    from driftmeter.demo._server import Server
    from driftmeter.demo._traffic import Traffic
    from driftmeter.demo._train import Trained
    from driftmeter.demo._windows import Stretch, Window

SEED: Final = 2013
INTERRUPTED: Final = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""

POLL_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 10.0
"""How long after its end a window's signals are waited for."""

GIVE_UP_AFTER: Final = 3
"""Windows without signals, from the first one on, after which no more are waited for."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for.

    Attributes:
        rows: Send at most this many flights.
        seconds: Send for at most this long.
        since: The first day that is served; that after the training data by default.
        pace: Seconds a window lasts; measured by default.
        shuffle: Run the control, in which nothing can move.
        json: Write JSON objects instead of a table.
    """

    rows: int | None = None
    seconds: float | None = None
    since: date | None = None
    pace: int | None = None
    shuffle: bool = False
    json: bool = False


class View(Protocol):
    """Where the demo tells what happens."""

    def say(self, line: str) -> None:
        """Tell a step."""

    def show(self, windows: Sequence[Window], *, total: int) -> None:
        """Tell the newest of the windows; `total` weeks will be sent."""

    def finish(self, summary: Sequence[str]) -> None:
        """Tell the summary."""

    def close(self) -> None:
        """Give the terminal back."""


def run(options: Options, *, environ: Mapping[str, str] = os.environ) -> int:
    """Run the demo and return its exit code.

    Raises:
        DemoError: It cannot run here; the message says what to do.
    """
    check_extra()
    view = choose_view(json=options.json)
    interrupts = Interrupts()
    with interrupts.installed():
        demo = _Demo(options, view, interrupts)
        try:
            demo.run(environ)
        except KeyboardInterrupt:
            view.close()
            view.say("Interrupted.")
            code = INTERRUPTED
        else:
            code = 0
        finally:
            view.close()
        demo.summarize()
        return code


def choose_view(*, json: bool) -> View:
    """Return the view for scripts, for a terminal, or for a file or pipe."""
    console = Console()
    if json:
        return JsonView()
    if sys.stdout.isatty() and not console.is_dumb_terminal:
        return LiveView(console)
    return PlainView()


class _Demo:
    """One run; holds what the summary needs when the run is cut short."""

    def __init__(self, options: Options, view: View, interrupts: Interrupts) -> None:
        self._options = options
        self._view = view
        self._interrupts = interrupts
        self._windows: list[Window] = []
        self._lost = 0
        self._window = 1
        self._inbox: Inbox | None = None
        self._retelling: Retelling | None = None

    def run(self, environ: Mapping[str, str]) -> None:
        from driftmeter.baseline import Baseline
        from driftmeter.demo._furthest import Retelling
        from driftmeter.demo._inbox import Inbox
        from driftmeter.demo._train import MODEL_NAME

        with tempfile.TemporaryDirectory(prefix="driftmeter-demo-", ignore_cleanup_errors=True) as name:
            training, weeks = self._data()
            trained = self._train(training, folder=Path(name))
            self._inbox = Inbox(model=MODEL_NAME)
            baseline = Baseline.load(trained.baseline_path)
            self._retelling = Retelling(baseline=baseline, model=trained.model, weeks=weeks)
            with self._receiver(environ, self._inbox) as receiver:
                server = self._server(trained, weeks, receiver=receiver, environ=environ, folder=Path(name))
                self._serve(server, weeks, inbox=self._inbox)

    def summarize(self) -> None:
        """Tell what was found, unless the run was cut short before anything was sent."""
        if self._inbox is not None:
            events = self._inbox.events()
            shuffled = self._options.shuffle
            self._view.finish(
                summarize(self._windows, events, shuffled=shuffled, lost=self._lost, tell=self._retelling)
            )

    def _data(self) -> tuple[Flights, list[Flights]]:
        from driftmeter.demo._batches import limit_rows
        from driftmeter.demo._flights import FIRST_SERVED, LAST_SERVED, load

        since = self._options.since or FIRST_SERVED
        if not FIRST_SERVED <= since <= LAST_SERVED:
            raise DemoError(f"--from must be a day from {FIRST_SERVED} to {LAST_SERVED}; got {since}")
        flights = load()
        self._view.say(f"1 data     {len(flights):,} flights from New York in 2013, with the weather of their hour")
        if self._options.shuffle:
            flights = flights.shuffled(seed=SEED)
            self._view.say("           shuffled over the year: a control, in which nothing can move")
        weeks = limit_rows(flights.serving(since=since).weeks(), rows=self._options.rows)
        return flights.training(), weeks

    def _train(self, training: Flights, *, folder: Path) -> Trained:
        from driftmeter.demo._train import describe, train

        started = time.perf_counter()
        trained = train(training, folder=folder)
        self._view.say(
            f"2 train    'more than 15 minutes late?' on {trained.rows:,} flights of {describe(training)}"
            f" ({time.perf_counter() - started:.1f} s)"
        )
        self._view.say(
            f"           baseline saved beside the model ({trained.baseline_path.stat().st_size / 1e3:.0f} kB)"
        )
        return trained

    @contextmanager
    def _receiver(self, environ: Mapping[str, str], inbox: Inbox) -> Iterator[Receiver]:
        from driftmeter.demo._forward import Forwarder
        from driftmeter.demo._receiver import Receiver
        from driftmeter.gateway.sender._sender_config import SenderConfig
        from driftmeter.gateway.sender._target import targets

        found = targets(SenderConfig(), environ)
        forwarder = Forwarder(found) if found else None

        def deliver(delivery: Delivery) -> None:
            inbox.put(delivery.message)
            if forwarder:
                forwarder.put(delivery)

        receiver = Receiver(deliver)
        receiver.start()
        try:
            if forwarder:
                places = ", ".join(sorted({target.endpoint for target in found.values()}))
                self._view.say(f"           everything is sent to {places} too")
            yield receiver
        finally:
            receiver.stop()
            if forwarder:
                forwarder.close()

    def _server(
        self, trained: Trained, weeks: list[Flights], *, receiver: Receiver, environ: Mapping[str, str], folder: Path
    ) -> Server:
        from driftmeter.demo._server import Server, environment, find_app
        from driftmeter.demo._traffic import window_seconds

        self._window = window_seconds(trained.model, weeks)
        settings = environment(
            environ,
            endpoint=receiver.endpoint,
            model=trained.model_path,
            baseline=trained.baseline_path,
            window_seconds=self._window,
        )
        return Server(find_app(), environ=settings, folder=folder)

    def _serve(self, server: Server, weeks: list[Flights], *, inbox: Inbox) -> None:
        from driftmeter.demo._server import APP
        from driftmeter.demo._traffic import Traffic

        with ExitStack() as stack:
            stack.callback(self._stop, server)
            with self._interrupts.held():
                server.start()
            server.wait_ready()
            self._view.say(f"3 serve    {APP}, which has no line of driftmeter, under opentelemetry-instrument")
            traffic = Traffic(
                weeks, url=server.url, window=self._window, seconds=self._options.seconds, arrived=inbox.has
            )
            stack.callback(traffic.halt)
            rows = sum(len(week) for week in weeks)
            self._view.say(f"4 traffic  {rows:,} flights over HTTP, a week every {_plain_seconds(self._window)}")
            traffic.start()
            self._watch(traffic, server, total=len(weeks))

    def _stop(self, server: Server) -> None:
        # A second Ctrl-C would leave the server behind.
        with self._interrupts.held():
            server.stop()

    def _watch(self, traffic: Traffic, server: Server, *, total: int) -> None:
        """Show each window once its signals are there, until the traffic and the last window are over."""
        seen = 0
        while True:
            sending = traffic.is_alive()
            stretches = traffic.stretches()
            seen += self._show(stretches[seen:], total=total)
            if traffic.error is not None:
                server.check()
                reason = str(traffic.error).split("\n", 1)[0]
                raise DemoError(f"a request to the server failed: {reason}{server.last_words()}")
            if not self._windows and (self._lost >= GIVE_UP_AFTER or (self._lost and not sending)):
                raise DemoError(f"the server answered, but no signals came from it{server.last_words()}")
            if not sending and seen == len(stretches):
                break
            time.sleep(POLL_SECONDS)

    def _show(self, stretches: Sequence[Stretch], *, total: int) -> int:
        """Show the windows that are complete, in order, and return how many are done with."""
        assert self._inbox is not None  # noqa: S101 - it is made before anything is sent
        for done, stretch in enumerate(stretches):
            now = time.time()
            window = self._inbox.window(stretch, now=now)
            if window:
                self._windows.append(window)
                self._view.show(self._windows, total=total)
            elif now < stretch.end + PATIENCE_SECONDS and not self._inbox.has_later(stretch):
                return done
            elif stretch.rows:
                self._lost += 1
        return len(stretches)


def _plain_seconds(seconds: int) -> str:
    return "second" if seconds == 1 else f"{seconds} seconds"
