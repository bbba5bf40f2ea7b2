"""Ways to be a nuisance, and the check that the servers serve on."""

from __future__ import annotations

import socket
import zlib
from http.client import HTTPConnection

import grpc
from gateway_serving import Serving

from driftmeter.gateway._inbound import METHODS

GOOD = b"\x0a\x00"
MARK = b"\x0a\x00" * 7
"""A good one that nothing else is."""
PROTOBUF = "application/x-protobuf"


def bomb(size: int) -> bytes:
    """Return gzip of so many zero bytes, a multiple of 1 MiB, at a thousandth of the size."""
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    # After a full flush the packer has forgotten what came before, so its output can be repeated.
    mebibyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08" + bytes(7)
    return head + mebibyte * (size >> 20) + b"\x03\x00" + bytes(8)


def raw(address: str, data: bytes, *, end: bool = False, timeout: float = 10.0) -> bytes:
    """Send bytes and return what comes until the other side closes; with ``end``, close this side first."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        received = b""
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionError:
            pass
        return received


def answered(address: str, data: bytes) -> bytes:
    """Send bytes and return the head of the answer, however much is still to come or to be sent."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        while b"\r\n\r\n" not in received and (piece := connection.recv(65_536)):
            received += piece
        return received


def head(*lines: str, path: str = "/v1/metrics") -> bytes:
    """Return the head of a POST with such header lines beside the usual ones."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: h", f"Content-Type: {PROTOBUF}", *lines, "", ""]).encode(
        "latin-1"
    )


def post(served: Serving, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection(served.http, timeout=20)
    try:
        names = {"Content-Type": PROTOBUF} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", "/v1/metrics", body, names)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def call(served: Serving, body: bytes, **options: object) -> grpc.StatusCode:
    with grpc.insecure_channel(served.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        try:
            channel.unary_unary(METHODS["metrics"])(body, timeout=20, **options)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK


def serves_on(served: Serving) -> None:
    """Assert that the next good request passes, by both protocols."""
    taken = served.inbox.taken
    before = taken.count(("metrics", MARK))
    assert post(served, MARK) == (200, b"")
    assert call(served, MARK) is grpc.StatusCode.OK
    assert taken.count(("metrics", MARK)) == before + 2
