"""Decompress gzip piece by piece, so that a small request that unpacks to gigabytes is refused early."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from driftmeter.gateway._inbound import Malformed
from driftmeter.gateway.servers._answers import Refused, TooLarge

MAGIC: Final = b"\x1f\x8b\x08"
"""How gzip begins. No protobuf does: 0x1f would be field 3 of wire type 7, and wire types end at 5."""

_AT_ONCE: Final = 16 * 1024
"""Bytes that are decompressed in a fraction of the time that a thread takes to be woken."""
_READ: Final = 64 * 1024
_PIECE: Final = 1024 * 1024


def gunzip(body: bytes, *, limit: int, grow: Callable[[int], None]) -> bytes:
    """Return the decompressed body.

    Args:
        body: One gzip stream. (RFC 1952 allows several in a row; a request of a million of them would take long.)
        limit: Bytes that it may decompress to.
        grow: Told of each piece's bytes as they come to be; may raise to stop.

    Raises:
        Refused: It decompresses to more, is cut off, or is not gzip.
    """
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    pieces: list[bytes] = []
    left = limit
    view = memoryview(body)
    for begin in range(0, len(body), _READ):
        unread: bytes | memoryview = view[begin : begin + _READ]
        while unread and not unpacker.eof:
            piece = _decompress(unpacker, unread)
            unread = unpacker.unconsumed_tail
            left -= len(piece)
            if left < 0:
                raise Refused(TooLarge(reason=f"the body must decompress to at most {limit} bytes"))
            grow(len(piece))
            pieces.append(piece)
        if unpacker.eof:
            if unpacker.unused_data or begin + _READ < len(body):
                raise Refused(Malformed(reason="the gzip body goes on after its end"))
            return b"".join(pieces)
    raise Refused(Malformed(reason="the gzip body is cut off"))


def _decompress(unpacker: zlib._Decompress, data: bytes | memoryview) -> bytes:
    try:
        return unpacker.decompress(data, _PIECE)
    except zlib.error as error:
        raise Refused(Malformed(reason=f"the body is not gzip: {error}")) from None


async def inflate(body: bytes, *, limit: int, grow: Callable[[int], None]) -> bytes:
    """Do as ``gunzip``, a body of some size in a thread: zlib leaves the interpreter's lock, the event loop goes on."""
    if len(body) <= _AT_ONCE:
        return gunzip(body, limit=limit, grow=grow)
    return await asyncio.to_thread(gunzip, body, limit=limit, grow=grow)
