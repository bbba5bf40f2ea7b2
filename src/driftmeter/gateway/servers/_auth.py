"""Bearer tokens: which are known, and whether a request bears one."""

from __future__ import annotations

import hmac
import logging
from hashlib import sha256
from pathlib import Path
from typing import Final

from driftmeter.exceptions import ConfigError
from driftmeter.gateway._watched import Watched
from driftmeter.gateway.servers._answers import Refused, Unauthenticated

_log = logging.getLogger(__name__)

_LONGEST: Final = 4096


class Tokens:
    """The tokens in a file, one a line; read again when the file changes, so that they can be changed in service.

    Lines that begin with ``#`` are comments. A file that can no longer be used leaves the tokens as they were.
    """

    def __init__(self, path: str) -> None:
        """Read the file.

        Raises:
            ConfigError: It cannot be read, or holds no token, or one that no header can carry.
        """
        self._path = Path(path)
        self._watched = Watched([self._path])
        self._digests = _read(self._path)

    def check(self, authorization: str | None) -> None:
        """Refuse a request whose ``Authorization`` does not bear one of the tokens.

        Raises:
            Refused: As unauthenticated; the reason does not say how near it came.
        """
        if self._watched.changed():
            self._read_again()
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(Unauthenticated(reason="a bearer token is needed in the Authorization header"))
        # Digests are of one length, so that the time of a comparison does not tell how long a token is; and all are
        # compared, so that it does not tell which one came near.
        digest = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        if not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise Refused(Unauthenticated(reason="the bearer token is not known"))

    def _read_again(self) -> None:
        try:
            self._digests = _read(self._path)
        except ConfigError as error:
            _log.error("the tokens stay as they were: %s", error)
        else:
            _log.info("read %d tokens from %s", len(self._digests), self._path)


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"tokens must name a readable file; {path}: {error.strerror}") from None
    found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(b"#")]
    if not found:
        raise ConfigError(f"tokens must name a file with a token a line; {path} has none")
    for number, token in enumerate(found, 1):
        # The value is a secret, so the message has its place only.
        if len(token) > _LONGEST or not all(0x21 <= byte <= 0x7E for byte in token):
            raise ConfigError(
                f"tokens must be printable ASCII without spaces, at most {_LONGEST} bytes; "
                f"token {number} of {path} is not"
            )
    return tuple(sha256(token).digest() for token in found)
