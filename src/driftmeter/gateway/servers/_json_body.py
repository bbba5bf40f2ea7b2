"""An OTLP request in JSON, of any signal, as the same request in protobuf.

OTLP's JSON is protobuf's, but for trace and span ids: protobuf would read and write bytes as base64, OTLP has them in
hexadecimal digits.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import EncodeError

from driftmeter.gateway._inbound import Malformed, Signal
from driftmeter.gateway.servers._answers import REQUESTS, Refused

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def to_protobuf(signal: Signal, body: bytes) -> bytes:
    """Return the serialized request; fields that are not known are left out.

    Raises:
        Refused: The body is not OTLP JSON; the reason says where it is not.
    """
    try:
        value = json.loads(body)
        if not isinstance(value, dict):
            raise Refused(Malformed(reason=f"the body must be a JSON object; got {type(value).__name__}"))
        _read_ids(value)
        return ParseDict(value, REQUESTS[signal](), ignore_unknown_fields=True).SerializeToString()
    except RecursionError:
        raise Refused(Malformed(reason="the body is nested too deeply")) from None
    except ParseError as error:
        raise Refused(Malformed(reason=f"the body is not OTLP JSON: {error}")) from None
    # What else json_format raises for values of a wrong type, and the encoder for texts that are no Unicode.
    except (ValueError, TypeError, AttributeError, EncodeError) as error:
        raise Refused(Malformed(reason=f"the body is not JSON that can be read: {error}")) from None


def _read_ids(value: dict[str, Any]) -> None:
    """Replace hexadecimal ids by base64, in place, at any depth.

    Keys of a JSON object are always names of OTLP's fields (users' names are values: ``{"key": "traceId", ...}``), so
    what is called ``traceId`` is one.
    """
    waiting: list[Any] = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            for name in _IDS & found.keys():
                found[name] = b64encode(bytes.fromhex(found[name])).decode()
            waiting += found.values()
