"""Work space goes with the threads that work at one moment, not with those that there are."""

from __future__ import annotations

import contextlib
import threading

import numpy as np

from driftmeter.sketches import BlockSketcher
from driftmeter.sketches._columns import _scratch
from driftmeter.sketches._work_space import WorkSpace


def test_two_that_work_at_once_have_different_spaces_and_the_next_has_one_of_them() -> None:
    spaces = WorkSpace(lambda: np.empty(3))
    with spaces.lent() as first, spaces.lent() as second:
        assert first is not second
    with spaces.lent() as third:
        assert third is first or third is second


def test_a_space_comes_back_when_the_work_fails() -> None:
    spaces = WorkSpace(lambda: np.empty(3))
    kept = []
    for _ in range(3):
        with contextlib.suppress(ZeroDivisionError), spaces.lent() as space:
            kept.append(space)
            1 / 0  # noqa: B018  # work that fails
    assert kept[0] is kept[1] is kept[2]


def test_many_threads_that_sketched_leave_little_behind_and_sketch_right() -> None:
    values = np.random.default_rng(0).normal(size=(4000, 5))
    found = []
    together = threading.Barrier(20)

    def sketch() -> None:
        sketcher = BlockSketcher(5)
        together.wait()
        sketcher.add(values)
        found.append(sketcher.take())

    threads = [threading.Thread(target=sketch) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(sketches == found[0] for sketches in found)
    assert len(_scratch._free) <= 2
