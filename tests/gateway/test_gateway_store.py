"""The state file: all or nothing, for one process, and clear words when it cannot be used."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from driftmeter.exceptions import StateError
from driftmeter.gateway._inbound import Accepted, Unavailable
from driftmeter.gateway.core import _pickles
from driftmeter.gateway.core._store import Changes, Entry, Shard, Store, set_aside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


def test_what_was_written_is_there_when_the_file_is_opened_again(store, path) -> None:
    ids = store.write(
        Changes(
            log=[Entry(1, b"r"), Entry(2, None)],
            outbox=[("metrics", b"m"), ("logs", b"l"), ("metrics", b"n")],
            shards=[Shard(b"k", 1, b"state")],
            baselines=[(b"b", b"baseline")],
        )
    )
    store.close()
    again = Store(path)
    assert list(again.log(after=0)) == [(ids[0], Entry(1, b"r")), (ids[1], Entry(2, None))]
    assert [item.body for item in again.pending("metrics", after=0, limit=9, size=99)] == [b"m", b"n"]
    assert [again.body_of(shard) for shard in again.shards()] == [b"state"]
    assert list(again.baselines()) == [(b"b", b"baseline")]
    assert again.outbox_bytes == 3
    again.close()


def test_ids_rise_also_when_all_before_is_forgotten_and_the_file_opened_again(store, path) -> None:
    (first,) = store.write(Changes(log=[Entry(1, b"r")]))
    store.write(Changes(forget=first))
    store.close()
    again = Store(path)
    assert list(again.log(after=0)) == []
    (second,) = again.write(Changes(log=[Entry(1, b"r")]))
    assert second > first
    again.close()


def test_the_outbox_gives_the_oldest_within_bounds_and_forgets_what_is_done(store) -> None:
    store.write(Changes(outbox=[("traces", bytes(n)) for n in (10, 10, 100, 10)]))
    items = store.pending("traces", after=0, limit=10, size=25)
    assert [len(item.body) for item in items] == [10, 10]
    assert len(store.pending("traces", after=0, limit=1, size=1000)) == 1
    assert [len(item.body) for item in store.pending("traces", after=items[1].id, limit=10, size=1)] == [100]
    store.write(Changes(done=[items[0].id, items[1].id, 12345]))
    assert store.outbox_bytes == 110
    assert store.pending("logs", after=0, limit=10, size=100) == []


@pytest.mark.parametrize(
    ("pragma", "said"), [("max_page_count = 30", "full"), ("query_only = 1", "readonly|read-only")]
)
def test_a_full_or_read_only_disk_changes_nothing_and_is_told(store, pragma, said) -> None:
    store.write(Changes(log=[Entry(1, b"kept")]))
    store._database.execute(f"PRAGMA {pragma}")
    with pytest.raises(StateError, match=said):
        store.write(Changes(log=[Entry(2, b"x" * 500_000)], outbox=[("logs", b"y")]))
    store._database.execute("PRAGMA max_page_count = 100000")
    store._database.execute("PRAGMA query_only = 0")
    assert [entry.body for _, entry in store.log(after=0)] == [b"kept"]
    assert store.outbox_bytes == 0
    store.write(Changes(log=[Entry(2, b"x" * 500_000)]))
    assert len(list(store.log(after=0))) == 2


def test_a_file_that_was_deleted_or_put_elsewhere_takes_nothing_more(store, path) -> None:
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(StateError, match="was moved or deleted"):
        store.write(Changes(log=[Entry(1, b"r")]))
    path.with_name("elsewhere.db").rename(path)
    store.write(Changes(log=[Entry(1, b"r")]))
    path.write_bytes(b"")
    with pytest.raises(StateError, match="become shorter"):
        store.write(Changes(log=[Entry(1, b"r")]))


def test_another_process_is_refused(store, path) -> None:
    code = f"from pathlib import Path; from driftmeter.gateway.core._store import Store; Store(Path({str(path)!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert f"state {path}: another process uses it" in ended.stderr


def damage_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xaa" * 8192
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_page, lambda path: path.write_bytes(b"no database at all" * 1000)])
def test_a_corrupt_file_is_told_and_kept_aside_only_when_that_is_asked_for(path, damage) -> None:
    store = Store(path)
    store.write(Changes(log=[Entry(1, bytes(3000))] * 20))
    store.close()
    damage(path)
    content = path.read_bytes()
    with pytest.raises(StateError, match=r"it is corrupt \(.*\); --reset keeps it aside and starts fresh"):
        Store(path)
    assert path.read_bytes() == content, "it is left as it is"
    aside = set_aside(path)
    assert aside is not None
    assert aside.read_bytes() == content
    fresh = Store(path)
    assert list(fresh.log(after=0)) == []
    fresh.close()


def test_a_shard_that_is_not_what_was_written_is_told(store) -> None:
    store.write(Changes(shards=[Shard(b"k", 1, b"state")]))
    store._database.execute("UPDATE shards SET body = ?", (b"stale",))
    with pytest.raises(StateError, match="checksum"):
        store.body_of(store.shards()[0])


def test_a_file_of_another_program_or_format_is_refused(tmp_path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (a)")
    database.close()
    with pytest.raises(StateError, match="another program's"):
        Store(other)
    newer = tmp_path / "newer.db"
    Store(newer).close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StateError, match="format 99, of another version"):
        Store(newer)


def test_a_folder_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(StateError, match="cannot be written: No such file"):
        Store(tmp_path / "none" / "state.db")


def test_the_file_is_its_owners_alone(store, path) -> None:
    assert path.stat().st_mode & 0o077 == 0


def test_state_can_hold_arrays_and_nothing_that_calls_anything() -> None:
    state = {"a": np.arange(3), "b": [np.float64(1.5), frozenset({1}), Accepted(rejected=1)]}
    again = _pickles.load(_pickles.dump(state))
    assert again["a"].tolist() == [0, 1, 2]
    assert again["b"] == state["b"]

    class Evil:
        def __reduce__(self):
            return print, ("called",)

    with pytest.raises(ValueError, match=r"builtins\.print is no part of state"):
        _pickles.load(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="state cannot be read"):
        _pickles.load(b"\x80\x05nonsense")


def test_a_core_whose_disk_is_full_refuses_and_goes_on_when_there_is_room(tmp_path) -> None:
    from gateway_core import START, Simulated, request

    from driftmeter.config import Config

    gateway = Simulated(tmp_path / "full.db", config=Config(window=4, step=1))
    try:
        database = gateway.core._store._database
        gateway.advance(1)
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        answers = [gateway.send(request(replica, START)) for replica in range(50)]
        taken = answers.count(Accepted())
        answer = answers[-1]
        assert isinstance(answer, Unavailable)
        assert "full" in answer.reason
        assert "full" in gateway.core.trouble()
        gateway.advance(1)
        database.execute("PRAGMA max_page_count = 100000")
        assert gateway.send(request(99, START)) == Accepted()
        assert gateway.core.trouble() == ""
        gateway.advance(1)
        assert sum(snapshot.rows for snapshot in gateway.merged().values()) == 300 * (taken + 1)
    finally:
        gateway.close()
