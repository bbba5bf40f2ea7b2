from __future__ import annotations

import sys
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftmeter.recorder import Columns, Limits, ModelRecorder
from driftmeter.recorder._model import MAX_CLOSED_STEPS, MAX_SHAPES
from driftmeter.recorder._shape import Shape
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, merge_snapshots
from driftmeter.tables import Table, tabulate

SECOND = 1_000_000_000
X, C = Column("x"), Column("c", kind="categorical")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds

    def __call__(self) -> int:
        return round(self.seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000)


@pytest.fixture
def recorder(clock):
    """Make a recorder: ``recorder(step=10, buffer_bytes=...)``."""

    def make(*, step: float = 10, columns: Columns | None = None, **limits) -> ModelRecorder:
        return ModelRecorder(
            Model("m"),
            columns=columns or Columns(),
            limits=Limits(**limits),
            step=round(step * SECOND),
            clock=clock,
        )

    return make


def _rows(*rows, role="feature"):
    return [(role, tabulate(list(rows)))]


def _total(snapshots) -> dict[Column, int]:
    merged = merge_snapshots(snapshots)
    return {column: sketch.total for column, sketch in merged.columns.items()} if merged is not None else {}


def test_what_is_recorded_is_taken_once(recorder) -> None:
    made = recorder()
    made.record(_rows({"x": 1.0, "c": "a"}, {"x": None, "c": "b"}))
    (snapshot,) = made.take()
    assert snapshot.model == Model("m")
    assert snapshot.columns == {
        X: NumericSketch.from_values(np.array([1.0, np.nan])),
        C: CategoricalSketch({"a": 1, "b": 1}),
    }
    assert made.take() == []


def test_rows_come_out_in_steps_aligned_to_the_epoch(recorder, clock) -> None:
    clock.seconds = 1004
    made = recorder()
    for second in (1005, 1009.5, 1010, 1019, 1043):
        clock.seconds = second
        made.record(_rows({"x": second}))
    taken = made.take()
    assert [(s.start // SECOND, s.end // SECOND, s.rows) for s in taken] == [
        (1004, 1010, 2),
        (1010, 1020, 2),
        (1040, 1043, 1),
    ]
    clock.seconds = 1047
    made.record(_rows({"x": 1}))
    clock.seconds = 1051
    (late,) = made.take()
    assert (late.start // SECOND, late.end // SECOND) == (1043, 1050)


def test_a_row_at_the_boundary_belongs_to_the_step_that_begins(recorder, clock) -> None:
    made = recorder()
    clock.seconds = 1010
    made.record(_rows({"x": 1}))
    (snapshot,) = made.take()
    assert snapshot.start == 1010 * SECOND


def test_steps_that_nobody_collects_are_bounded_and_lose_no_row(recorder, clock) -> None:
    made = recorder()
    for step in range(MAX_CLOSED_STEPS + 5):
        clock.seconds = 1000 + 10 * step
        made.record(_rows({"x": 1}, {"x": 2}))
    clock.seconds += 10
    taken = made.take()
    assert [snapshot.rows for snapshot in taken] == [12] + [2] * (MAX_CLOSED_STEPS - 1)
    assert (taken[0].start, taken[0].end) == (1000 * SECOND, 1060 * SECOND)
    assert made.dropped_rows == 0


def test_a_clock_that_is_set_back_loses_nothing(recorder, clock) -> None:
    made = recorder()
    made.record(_rows({"x": 1}))
    clock.seconds = 400
    made.record(_rows({"x": 2}))
    first = made.take()
    clock.seconds = 1020
    made.record(_rows({"x": 3}))
    assert _total([*first, *made.take()]) == {X: 3}


def test_a_full_buffer_is_sketched_and_loses_nothing(recorder) -> None:
    made = recorder(buffer_bytes=1024)
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(n, 3)) for n in (1, 500, 7, 2000, 42, 63, 64)]
    for block in blocks:
        made.record([("feature", tabulate(block))])
    (snapshot,) = made.take()
    whole = np.concatenate(blocks)
    for at, (column, sketch) in enumerate(snapshot.columns.items()):
        assert column.name == f"f{at}"
        expected = NumericSketch.from_values(whole[:, at])
        assert isinstance(sketch, NumericSketch)
        assert sketch.sum == pytest.approx(expected.sum)
        assert (sketch.scale, sketch.positive, sketch.negative) == (
            expected.scale,
            expected.positive,
            expected.negative,
        )
        assert (sketch.count, sketch.min, sketch.max) == (expected.count, expected.min, expected.max)
    assert made.dropped_rows == 0


def test_with_overflow_drop_a_full_buffer_keeps_what_fits_and_counts_the_rest(recorder) -> None:
    made = recorder(buffer_bytes=1024, overflow="drop")
    made.record([("feature", tabulate(np.ones((100, 1))))])
    made.record([("feature", tabulate(np.ones((100, 1))))])
    assert made.dropped_rows == 200 - 128
    assert _total(made.take()) == {Column("f0"): 128}
    made.record([("feature", tabulate(np.ones((5, 1))))])
    assert _total(made.take()) == {Column("f0"): 5}
    assert made.dropped_rows == 72


def test_rows_whose_columns_change_merge_by_column(recorder) -> None:
    made = recorder()
    made.record(_rows({"x": 1, "c": "a"}))
    made.record(_rows({"c": "b", "x": 2}))
    made.record(_rows({"x": 3}))
    assert _total(made.take()) == {X: 3, C: 2}


def test_rows_that_hardly_ever_have_the_same_columns_lose_nothing_and_keep_few_shapes(recorder) -> None:
    made = recorder(buffer_bytes=1024)
    seen: Counter[str] = Counter()
    for at in range(4 * MAX_SHAPES):
        # The first two fill their buffers; the shape that the third one pushes out must not be one of theirs.
        full = [("prediction", tabulate({"y": [1.0] * 150})), ("feature", tabulate({"z": [1.0] * 130}))]
        made.record([*full, *_rows({"x": 1.0, f"k{at}": 2.0})])
        seen.update({"x": 1, f"k{at}": 1, "y": 150, "z": 130})
        assert len(made._shapes) <= MAX_SHAPES
    assert {column.name: count for column, count in _total(made.take()).items()} == seen


def test_a_shape_whose_kinds_are_not_known_yet_makes_no_room_in_the_call_that_fills_it(recorder) -> None:
    made = recorder(buffer_bytes=1024)
    waiting = ("u", "v")
    made.record([("feature", Table(waiting, 1, columns=([None], [1.0])))])
    for at in range(MAX_SHAPES - 1):
        made.record(_rows({f"k{at}": 1.0}))
    full = Table(waiting, 64, columns=([None] * 64, [1.0] * 64))
    made.record([("feature", full), ("prediction", tabulate({"y": [1.0] * 64}))])
    total = _total(made.take())
    assert total[Column("v")] == 65
    assert total[Column("y", "prediction")] == 64


def test_a_column_of_nulls_alone_waits_for_its_first_value_to_know_its_kind(recorder) -> None:
    made = recorder()
    made.record(_rows({"c": None, "x": 1}))
    made.record(_rows({"c": "a", "x": 2}))
    made.record(_rows({"c": None, "x": None}))
    (snapshot,) = made.take()
    assert snapshot.columns[C] == CategoricalSketch({"a": 1}, missing=1)
    assert snapshot.columns[X].total == 3
    # What came before is known to be missing, of a column that could have been either.
    assert snapshot.columns[Column("c")].missing == 1


def test_kinds_and_categories_known_beforehand_hold(recorder) -> None:
    columns = Columns(
        kinds={("feature", "zip"): "categorical", ("feature", "x"): "numeric"},
        categories={("feature", "zip"): {"1", "2", "3"}},
        ignored={"id"},
    )
    made = recorder(columns=columns, max_categories=0)
    made.record(_rows({"zip": 1, "x": "?", "id": 5}, {"zip": 2, "x": None, "id": 6}, {"zip": 9, "x": 3, "id": 7}))
    (snapshot,) = made.take()
    assert snapshot.columns[Column("zip", kind="categorical")] == CategoricalSketch({"1": 1, "2": 1}, other=1)
    sketch = snapshot.columns[X]
    assert (sketch.count, sketch.missing, sketch.mismatched) == (1, 1, 1)
    assert len(snapshot.columns) == 2


def test_columns_beyond_the_limit_are_left_out_over_all_shapes(recorder) -> None:
    made = recorder(max_columns=2)
    made.record(_rows({"a": 1, "b": 2, "c": 3}))
    made.record(_rows({"d": 1, "a": 2}))
    assert {column.name: count for column, count in _total(made.take()).items()} == {"a": 2, "b": 1}


def test_categories_are_bounded(recorder) -> None:
    made = recorder(max_categories=5)
    made.record(_rows(*({"c": f"v{at}"} for at in range(50))))
    sketch = made.take()[0].columns[C]
    assert len(sketch.counts) == 5
    assert sketch.count == 50


def test_a_column_that_cannot_be_read_leaves_the_others_in_step(recorder) -> None:
    class Broken(list):
        def __getitem__(self, at):
            raise RuntimeError("broken")

    made = recorder()
    made.record(_rows({"c": "a", "x": 1.0}))
    with pytest.raises(RuntimeError, match="broken"):
        made.record([("feature", tabulate({"c": ["b"], "x": Broken([2.0])}))])
    made.record(_rows({"c": "d", "x": 3.0}))
    (snapshot,) = made.take()
    assert snapshot.columns == {
        X: NumericSketch.from_values(np.array([1.0, 3.0])),
        C: CategoricalSketch({"a": 1, "d": 1}),
    }


def test_reset_forgets_all_rows(recorder) -> None:
    made = recorder()
    made.record(_rows({"x": 1}))
    made._lock.acquire()  # as a thread of the parent may have, at the moment of a fork
    made.reset()
    assert made.take() == []
    made.record(_rows({"x": 1}))
    assert _total(made.take()) == {X: 1}


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(
        st.tuples(st.sampled_from(["record", "take", "wait"]), st.integers(1, 200), st.booleans()), max_size=30
    )
)
def test_whatever_the_order_of_calls_every_row_is_taken_once(events) -> None:
    clock = Clock(50)
    made = ModelRecorder(Model("m"), columns=Columns(), limits=Limits(buffer_bytes=1024), step=10 * SECOND, clock=clock)
    taken, recorded = [], 0
    for what, size, with_category in events:
        if what == "record":
            columns = {"x": np.ones(size)} | ({"c": ["a"] * size} if with_category else {})
            made.record([("feature", tabulate(columns))])
            recorded += size
        elif what == "take":
            taken += made.take()
        else:
            clock.seconds += size / 10
    taken += made.take()
    assert _total(taken).get(X, 0) == recorded
    assert all(s.start <= s.end for s in taken)
    assert all(s.start // (10 * SECOND) == max(s.start, s.end - 1) // (10 * SECOND) for s in taken)


@pytest.mark.parametrize("when", ["at a collection", "at the end of a step"])
def test_others_record_while_the_rows_of_before_are_sketched(when, recorder, clock, monkeypatch) -> None:
    made = recorder()
    made.record(_rows({"x": 1.0}))
    sketching, go_on = threading.Event(), threading.Event()
    sketch = Shape.sketch

    def slowly(self, batch):
        sketching.set()
        assert go_on.wait(10)
        sketch(self, batch)

    monkeypatch.setattr(Shape, "sketch", slowly)
    taken: list = []
    if when == "at a collection":
        first = threading.Thread(target=lambda: taken.extend(made.take()))
    else:
        clock.seconds += 10
        first = threading.Thread(target=made.record, args=(_rows({"x": 2.0}),))
    first.start()
    assert sketching.wait(10)
    other = threading.Thread(target=made.record, args=(_rows({"x": 3.0}),), daemon=True)
    other.start()
    other.join(10)
    waited = other.is_alive()
    go_on.set()
    first.join(10)
    other.join(10)
    assert not waited
    snapshots = [*taken, *made.take()]
    assert [snapshot.columns[X].sum for snapshot in snapshots] == ([1, 3] if when == "at a collection" else [1, 5])


def test_threads_that_record_while_another_takes_lose_no_row_and_count_none_twice() -> None:
    threads, calls, rows = 8, 600, 7
    clock = Clock(0)
    made = ModelRecorder(Model("m"), columns=Columns(), limits=Limits(buffer_bytes=1024), step=SECOND, clock=clock)
    start = threading.Barrier(threads + 1)
    taken: list = []
    done = threading.Event()

    def record(at: int) -> None:
        table = tabulate({"x": np.full(rows, float(at + 1)), "c": [f"t{at}"] * rows})
        start.wait(10)
        for call in range(calls):
            made.record([("feature", table)])
            clock.seconds = max(clock.seconds, call / 100)

    def take() -> None:
        start.wait(10)
        while not done.is_set():
            taken.extend(made.take())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        recording = [threading.Thread(target=record, args=(at,)) for at in range(threads)]
        taking = threading.Thread(target=take)
        for thread in (*recording, taking):
            thread.start()
        for thread in recording:
            thread.join(60)
        done.set()
        taking.join(60)
    finally:
        sys.setswitchinterval(interval)
    merged = merge_snapshots([*taken, *made.take()])
    assert merged is not None
    assert merged.columns[C] == CategoricalSketch({f"t{at}": calls * rows for at in range(threads)})
    assert merged.columns[X].count == threads * calls * rows
    assert merged.columns[X].sum == sum(range(1, threads + 1)) * calls * rows


def test_a_dropped_row_is_dropped_with_its_prediction(recorder) -> None:
    made = recorder(buffer_bytes=1024, overflow="drop")
    wide = tabulate(np.zeros((200, 4)), names=list("abcd"))
    made.record([("feature", wide), ("prediction", tabulate(np.zeros(200), names=["prediction"]))])
    (snapshot,) = made.take()
    assert {sketch.total for sketch in snapshot.columns.values()} == {64}
    assert made.dropped_rows == 200 - 64


def test_a_table_that_cannot_be_read_loses_nothing_that_filled_before_it(recorder) -> None:
    class Unreadable:
        def __len__(self) -> int:
            return 500

        def __getitem__(self, rows):
            raise RuntimeError("no")

    made = recorder(buffer_bytes=1024)
    broken = Table(("x",), 500, columns=(Unreadable(),), kind="numeric")
    with pytest.raises(RuntimeError):
        made.record([("feature", tabulate(np.zeros((500, 2)), names=["a", "b"])), ("score", broken)])
    (snapshot,) = made.take()
    assert {column.name: sketch.total for column, sketch in snapshot.columns.items()} == {"a": 500, "b": 500}


def test_a_clock_that_is_set_back_is_followed(recorder, clock) -> None:
    made = recorder(step=10)
    clock.seconds = 90_000
    made.record(_rows({"x": 1.0}))
    made.take()
    clock.seconds = 3_600
    made.record(_rows({"x": 2.0}))
    clock.seconds = 3_605
    (snapshot,) = made.take()
    assert 3_600 * SECOND <= snapshot.start <= snapshot.end <= 3_605 * SECOND
