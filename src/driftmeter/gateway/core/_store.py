"""What a gateway must not lose, in one SQLite file; one transaction takes in all that happened at once.

    log          requests with points of ours, and ticks, in the order in which they were applied
    shards       what is known of each service's models, and the last entry of the log that is in it
    outbox       requests that wait to be sent
    baselines    those that came over the wire

State after a crash is that of the shards, and on it the entries of the log that are not in them. What is in every shard
is deleted from the log::

    log      | 5 | 6 | 7 | 8 | 9 |
    shard a  ------------>|              goes on with 8
    shard b  ---->|                      goes on with 6, so that 5 can go

SQLite's write-ahead log makes a transaction durable with one write and one fsync; so many requests go into one.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from driftmeter.exceptions import StateError
from driftmeter.gateway._inbound import Signal
from driftmeter.gateway._outbox import Item

FORMAT: Final = 2
"""Of the file; another one cannot be read."""
_APPLICATION: Final = 0x64726966
"""Says in the file's header that it is ours: 'drif'."""
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, body BLOB);
CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, signal TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX outbox_of_signal ON outbox (signal, id);
CREATE TABLE shards (key BLOB PRIMARY KEY, upto INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE baselines (key BLOB PRIMARY KEY, body BLOB NOT NULL);
"""


class Entry(NamedTuple):
    """Something that was applied: a request at a time, Unix nanoseconds, or, without a body, a tick."""

    time: int
    body: bytes | None


class Shard(NamedTuple):
    """A part of the state: its name, the last entry of the log that is in it, and what it is, serialized."""

    key: bytes
    upto: int
    body: bytes = b""


@dataclass(slots=True)
class Changes:
    """What one transaction takes in."""

    log: list[Entry] = field(default_factory=list)
    outbox: list[tuple[Signal, bytes]] = field(default_factory=list)
    done: Sequence[int] = ()
    """Items of the outbox that go."""
    shards: list[Shard] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    """Keys of shards that go."""
    forget: int = 0
    """Up to here the log goes."""
    baselines: list[tuple[bytes, bytes]] = field(default_factory=list)


class Store:
    """The state file; for one thread, and one process at a time.

    Args:
        path: The file; it is made, for its owner alone, where it is not there.
        durable: Whether what was committed survives a power failure too, not only the end of the process.

    Raises:
        StateError: The file is corrupt, of another format, in use by another process, or cannot be read or written.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._database = _opened(path)
        try:
            self._begin()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise _told(error, path) from None
        except BaseException:
            self._database.close()
            raise

    def _begin(self) -> None:
        run = self._database.execute
        # One process at a time, and no shared memory: another one is refused.
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        (application,), (format_,) = run("PRAGMA application_id").fetchone(), run("PRAGMA user_version").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != _APPLICATION:
            raise StateError(f"state {self.path}: it is another program's SQLite file")
        if tables and format_ != FORMAT:
            raise StateError(
                f"state {self.path}: it is of format {format_}, of another version of driftmeter, which reads "
                f"{FORMAT}; --reset keeps it aside and starts fresh"
            )
        run("BEGIN IMMEDIATE")
        if not tables:
            for statement in _SCHEMA.split(";"):
                run(statement)
            run("INSERT INTO meta VALUES ('born', ?)", (time.time_ns(),))
            run(f"PRAGMA application_id = {_APPLICATION}")
            run(f"PRAGMA user_version = {FORMAT}")
        run("COMMIT")
        (found,) = run("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        found = self.path.stat()
        self._file = found.st_dev, found.st_ino, found.st_size
        self.outbox_bytes: int
        (self.outbox_bytes,) = run("SELECT coalesce(sum(length(body)), 0) FROM outbox").fetchone()

    def _check_in_place(self) -> None:
        """Refuse to write what nobody would find: SQLite goes on with a file that was deleted, or put elsewhere."""
        try:
            found = os.stat(self.path)  # noqa: PTH116  # each time, so by the quickest way
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._file[:2]:
            raise StateError(f"state {self.path}: the file was moved or deleted; start the gateway again")
        if found.st_size < self._file[2]:
            raise corrupt(self.path, "the file has become shorter")
        self._file = found.st_dev, found.st_ino, found.st_size

    def write(self, changes: Changes) -> Sequence[int]:
        """Make changes durable, all or none; return the ids of the new entries of the log, which rise.

        Raises:
            StateError: Nothing was changed, and why.
        """
        self._check_in_place()
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            try:
                more = self._change(changes)
                ids = [_inserted(database, entry) for entry in changes.log]
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise _told(error, self.path) from None
        self.outbox_bytes += more
        return ids

    def _change(self, changes: Changes) -> int:
        """Return by how many bytes the outbox has grown."""
        many = self._database.executemany
        gone = 0
        for item in changes.done:
            for (size,) in self._database.execute("SELECT length(body) FROM outbox WHERE id = ?", (item,)).fetchall():
                gone += size
                self._database.execute("DELETE FROM outbox WHERE id = ?", (item,))
        many("INSERT INTO outbox (signal, body) VALUES (?, ?)", changes.outbox)
        many(
            "INSERT OR REPLACE INTO shards VALUES (?, ?, ?, ?)",
            ((shard.key, shard.upto, shard.body, zlib.crc32(shard.body)) for shard in changes.shards),
        )
        many("DELETE FROM shards WHERE key = ?", ((key,) for key in changes.gone))
        many("INSERT OR REPLACE INTO baselines VALUES (?, ?)", changes.baselines)
        if changes.forget:
            self._database.execute("DELETE FROM log WHERE id <= ?", (changes.forget,))
        return sum(len(body) for _, body in changes.outbox) - gone

    def pending(self, signal: Signal, *, after: int, limit: int, size: int) -> list[Item]:
        """Return the oldest items of the outbox, see `Outbox.pending`."""
        found: list[Item] = []
        rows = self._read("SELECT id, body FROM outbox WHERE signal = ? AND id > ? ORDER BY id", (signal, after))
        for row in rows:
            item = Item(*row)
            size -= len(item.body)
            if found and (size < 0 or len(found) >= limit):
                break
            found.append(item)
        return found

    def shards(self) -> list[Shard]:
        """Return all shards, without what they are; see `body_of`."""
        return [Shard(*row) for row in self._read("SELECT key, upto FROM shards ORDER BY key")]

    def body_of(self, shard: Shard) -> bytes:
        """Return what a shard is.

        Raises:
            StateError: It is not what was written.
        """
        ((body, crc),) = self._read("SELECT body, crc FROM shards WHERE key = ?", (shard.key,))
        if zlib.crc32(body) != crc:
            raise corrupt(self.path, "a part of it has another checksum")
        return bytes(body)

    def log(self, *, after: int) -> Iterator[tuple[int, Entry]]:
        """Return the entries of the log after one, in their order, each with its id."""
        for at, *entry in self._read("SELECT id, time, body FROM log WHERE id > ? ORDER BY id", (after,)):
            yield at, Entry(*entry)

    def baselines(self) -> Iterator[tuple[bytes, bytes]]:
        """Return the baselines that came over the wire, by key."""
        return self._read("SELECT key, body FROM baselines ORDER BY key")

    def _read(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise _told(error, self.path) from None

    def close(self) -> None:
        """Let the file go."""
        self._database.close()


def set_aside(path: Path) -> Path | None:
    """Keep a state file under another name, so that a fresh one can begin; return that, None where there is no file."""
    if not path.exists():
        return None
    aside = path.with_name(f"{path.name}.aside-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}")
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside


def corrupt(path: Path, why: str) -> StateError:
    """Return the error that says that a state file is corrupt."""
    return StateError(f"state {path}: it is corrupt ({' '.join(why.split())}); --reset keeps it aside and starts fresh")


def _opened(path: Path) -> sqlite3.Connection:
    try:
        # Made here, so that nobody else may read it: the log holds what was sent.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StateError(f"state {path}: it cannot be written: {error.strerror}") from None
    return sqlite3.connect(path, isolation_level=None, timeout=1.0, check_same_thread=False)


def _told(error: sqlite3.Error, path: Path) -> StateError:
    """Return what SQLite says as an error of ours."""
    if isinstance(error, sqlite3.OperationalError):
        if "locked" in str(error):
            return StateError(f"state {path}: another process uses it")
        return StateError(f"state {path}: it cannot be read or written: {error}")
    if isinstance(error, sqlite3.DatabaseError):
        return corrupt(path, str(error))
    return StateError(f"state {path}: {error}")


def _inserted(database: sqlite3.Connection, entry: Entry) -> int:
    at = database.execute("INSERT INTO log (time, body) VALUES (?, ?)", entry).lastrowid
    assert at is not None  # noqa: S101  # a row was inserted
    return at
