"""Where the fields of many protobuf messages are, found for all of the messages together.

A protobuf message is fields one after the other, each a tag and a value whose size the tag, or a length behind it,
tells. All messages are walked at once, a field a turn. In each turn those advance that are at the lowest tag, so that
messages that lack a field wait for the others, and all are at the same again::

    message 1   | 0a attribute | 0a attribute | 11 start | 19 time | 21 count |
    message 2   | 0a attribute |              | 11 start | 19 time | 21 count |      waits in the second turn

What has a form that encoders do not give it (a field twice, a field that is not asked for, an endless number, very
many fields) is told as unusual, whatever it is; protobuf itself has to look at it. Where all messages have their fields
in the order of the tags, none is unusual because of another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from driftmeter.otlp._varints import LONGEST_HERE, Octets, varints
from driftmeter.typing import BoolArray, Float64Array, Int64Array

Slots: TypeAlias = Mapping[int, int]
"""For each tag that may come, in which row of `Fields` it is told, or `SKIPPED`."""
SKIPPED: Final = -1
"""Of fields that are of no interest, however many of them there are."""

MAX_FIELDS: Final = 96
"""Fields that a message may have, those that repeat included."""
_MAX_TURNS: Final = 4 * MAX_FIELDS
"""Messages that have their fields in ever different orders take many turns."""

_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_PADDING: Final = bytes(2 + LONGEST_HERE)
"""So many bytes behind the last message may be looked at, whatever they are."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Where the fields of n messages are, in ``octets``, which holds them all, each from ``offsets`` on.

    ``starts`` and ``ends``, of shape (slots, n), say where a field's content begins and ends; both are -1 where a
    message has none. Of a field that may repeat they tell from where to where all of them are, tags included.
    ``unusual`` messages have any numbers.
    """

    octets: Octets
    offsets: Int64Array
    starts: Int64Array
    ends: Int64Array
    unusual: BoolArray

    def fixed64(self, slot: int) -> Int64Array:
        """Return a field of eight bytes as an integer; 0 where a message has none."""
        at = self.starts[slot]
        # An integer for each place, eight bytes long and one byte after the other; numpy reads them unaligned.
        everywhere = np.ndarray(len(self.octets) - 7, dtype="<i8", buffer=self.octets, strides=(1,))
        return np.where(at >= 0, everywhere[np.maximum(at, 0)], 0)

    def double(self, slot: int) -> Float64Array:
        """Return a field that is a float64; 0 where a message has none."""
        return self.fixed64(slot).view(np.float64)

    def varint(self, slot: int) -> Int64Array:
        """Return a field that is a varint of 32 bits; 0 where a message has none."""
        at = self.starts[slot]
        return np.where(at >= 0, varints(self.octets, np.maximum(at, 0))[0], 0)


def find(messages: Sequence[bytes], slots: Slots, *, repeated: int) -> Fields:
    """Find fields.

    Args:
        messages: The messages, of which there are some.
        slots: What is asked for. Tags are those of single bytes: fields up to number 15.
        repeated: The tag of a field that may repeat; all others that are told may not.
    """
    octets: Octets = np.frombuffer(b"".join((*messages, _PADDING)), dtype=np.uint8)
    ends = np.fromiter(map(len, messages), dtype=np.int64, count=len(messages)).cumsum()
    offsets = np.append(0, ends[:-1])
    walk = _Walk(octets, offsets.copy(), ends, slots, repeated)
    for _ in range(_MAX_TURNS):
        if not walk.turn():
            break
    else:
        walk.unusual[walk.walking] = True
    return Fields(octets, offsets, walk.found[0], walk.found[1], walk.unusual)


class _Walk:
    """The messages on their way: ``at`` is where each of those ``walking`` is."""

    def __init__(self, octets: Octets, starts: Int64Array, ends: Int64Array, slots: Slots, repeated: int) -> None:
        self._octets = octets
        self._ends = ends
        self._at = starts
        self._slots = slots
        self._repeated = repeated
        self._moves: Int64Array = np.zeros(len(ends), dtype=np.int64)
        self.found = np.full((2, max(slots.values()) + 1, len(ends)), -1, dtype=np.int64)
        self.unusual = np.zeros(len(ends), dtype=bool)
        self.walking = np.flatnonzero(starts < ends)

    def turn(self) -> bool:
        """Let those at the lowest tag advance by a field; return whether any message is not at its end."""
        walking = self.walking
        if not len(walking):
            return False
        tags = self._octets[self._at[walking]]
        lowest = tags.min()
        here = tags == lowest
        movers = walking if here.all() else walking[here]
        slot = self._slots.get(int(lowest))
        if slot is None:
            self._leave(movers)
        else:
            self._advance(movers, int(lowest), slot)
        return True

    def _leave(self, messages: Int64Array) -> None:
        self.unusual[messages] = True
        self.walking = self.walking[~self.unusual[self.walking]]

    def _advance(self, movers: Int64Array, tag: int, slot: int) -> None:
        at = self._at[movers]
        start, end = self._content(at + 1, tag & 7)
        self._at[movers] = end
        limits = self._ends[movers]
        self._moves[movers] += 1
        wrong = (end > limits) | (start < 0) | (self._moves[movers] > MAX_FIELDS)
        if slot != SKIPPED:
            wrong |= self._note(movers, at if tag == self._repeated else start, end, slot, tag)
        if wrong.any():
            self._leave(movers[wrong])
        if (end >= limits).any():
            self.walking = self.walking[self._at[self.walking] < self._ends[self.walking]]

    def _note(self, movers: Int64Array, start: Int64Array, end: Int64Array, slot: int, tag: int) -> BoolArray:
        """Note where a field is; return of which messages it came before, and must not have."""
        starts, ends = self.found[:, slot]
        before = starts[movers]
        again: BoolArray = before >= 0
        if tag == self._repeated:
            starts[movers] = np.where(again, before, start)
            # What comes between is not an attribute.
            again &= ends[movers] != start
        else:
            starts[movers] = start
        ends[movers] = end
        return again

    def _content(self, at: Int64Array, wire_type: int) -> tuple[Int64Array, Int64Array]:
        """Return where the values begin and end that come after tags."""
        if wire_type == _FIXED64:
            return at, at + 8
        values, behind = varints(self._octets, at)
        if wire_type == _VARINT:
            return np.where(values < 0, -1, at), behind
        # A length beyond five bytes is told as -1.
        return np.where(values < 0, -1, behind), behind + values
