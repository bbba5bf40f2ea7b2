"""What can be set about the gateway's core: what it keeps, where, for how long, and what it sends on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias, cast, get_args

from driftmeter.config import Keyed, boolean, duration, integer, key, one_of, text

SKETCHES: Final = ("merged", "replicas", "none")
Merged: TypeAlias = Literal["delta", "cumulative"]
LOGS: Final = ("auto", "text", "json")
_DAY: Final = 86_400.0
_YEAR: Final = 366 * _DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreConfig(Keyed):
    """Sizes are in bytes, times in seconds."""

    state: str = key("driftmeter-gateway.db", text, "path of the state file (SQLite); it is made where it is missing")
    durable: bool = key(
        default=True,
        parse=boolean,
        says="wait for the disk before a request is acknowledged, so that a power failure loses nothing either",
    )
    baselines: str = key("", text, "path of a directory with baseline files, `*.json`, which is watched")
    sketches: str = key(
        "merged",
        partial(one_of, names=SKETCHES),
        "the column sketches that are sent on: merged over the replicas, those of the replicas as they came, or none",
    )
    temporality: str = key(
        "delta",
        partial(one_of, names=get_args(Merged)),
        "of the merged sketches: delta, or cumulative, as Prometheus and Mimir need them, which takes memory",
    )
    signals_only: bool = key(
        default=False, parse=boolean, says="send on the gateway's own signals and events alone, no sketches either"
    )
    checkpoint: float = key(
        300.0, duration, "how often the state of each model is written whole; a restart reads what came since", least=1
    )
    stream_idle: float = key(3600.0, duration, "how long without a point until a stream has ended", least=1, most=_YEAR)
    model_idle: float = key(
        15 * _DAY, duration, "how long without a row until a model is forgotten", least=60, most=_YEAR
    )
    max_streams: int = key(1_000_000, integer, "streams open at one time; points of more are refused", least=1)
    max_models: int = key(2_000, integer, "models of all services together; points of more are refused", least=1)
    max_outbox_bytes: int = key(
        1 << 30, integer, "what waits to be sent; when there is more, requests to send on are refused", least=1 << 20
    )

    log: str = key("auto", partial(one_of, names=LOGS), "its own log: auto is text for a terminal, else json")
    drain: float = key(
        10.0,
        duration,
        "how long it may answer and send what is in hand when it ends",
        most=600,
    )

    @property
    def merged(self) -> Merged | None:
        """The temporality in which merged sketches are sent on; None where they are not."""
        return cast(Merged, self.temporality) if self.sketches == "merged" and not self.signals_only else None
