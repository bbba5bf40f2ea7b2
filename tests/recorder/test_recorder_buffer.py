"""What the row buffer holds between two batches: no more than it must, and none of it lost."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pandas as pd
import pytest

from driftmeter.recorder import Columns, Limits, ModelRecorder
from driftmeter.schema import Model
from driftmeter.tables import tabulate


def recorder() -> ModelRecorder:
    return ModelRecorder(Model("m"), columns=Columns(), limits=Limits(), step=10**18, clock=lambda: 10)


def held(mine: ModelRecorder) -> int:
    """Return the bytes of all that the buffers hold."""
    seen, total = set(), 0
    pending = [shape.buffer for shape in mine._shapes.values()]
    while pending:
        one = pending.pop()
        if id(one) not in seen and not isinstance(one, type):
            seen.add(id(one))
            total += sys.getsizeof(one)
            pending += gc.get_referents(one) if not isinstance(one, np.ndarray) else [one.base]
    return total


def counts(mine: ModelRecorder, name: str = "c") -> dict[str, int]:
    columns = {column.name: sketch for snapshot in mine.take() for column, sketch in snapshot.columns.items()}
    return {**columns[name].counts, None: columns[name].missing}


@pytest.mark.parametrize("rows", [1, 7, 200])
@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_texts_that_come_again_and_again_are_not_held_one_by_one(rows, dtype) -> None:
    mine = recorder()
    texts = [f"a text of some length {at % 3}" if (at + 1) % 5 else None for at in range(2800)]
    for start in range(0, 2800, rows):
        mine.record([("feature", tabulate(pd.DataFrame({"c": texts[start : start + rows]}, dtype=dtype)))])
    assert held(mine) < 45_000
    want = {f"a text of some length {name}": sum(t is not None and t[-1] == name for t in texts) for name in "012"}
    assert counts(mine) == {**want, None: 560}


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([True, 1, 1.0, False, 0] * 100, {"true": 100, "1": 200, "false": 100, "0": 100, None: 0}),
        (["1", 1, True] * 100, {"1": 200, "true": 100, None: 0}),
        (["a", float("nan"), 2.5] * 100, {"a": 100, "2.5": 100, None: 100}),
        (["a", pd.NA, pd.NaT, None] * 100, {"a": 100, None: 300}),
        ([["a"], "a"] * 150, {"['a']": 150, "a": 150, None: 0}),
        (["a", ["a"]] * 150, {"['a']": 150, "a": 150, None: 0}),
    ],
    ids=["booleans and numbers", "text first", "numbers among texts", "nulls", "lists", "lists among texts"],
)
def test_what_is_no_text_counts_as_it_does_alone(values, want) -> None:
    for rows in (len(values), 4):
        mine = recorder()
        mine._kinds["feature", "c"] = "categorical"
        for start in range(0, len(values), rows):
            mine.record([("feature", tabulate({"c": values[start : start + rows]}))])
        assert {name.lower() if name else name: count for name, count in counts(mine).items()} == want


def test_texts_that_never_come_again_are_counted_all_the_same() -> None:
    mine = recorder()
    for start in range(0, 5000, 10):
        mine.record([("feature", tabulate({"c": [f"id {at}" for at in range(start, start + 10)]}))])
    (snapshot,) = mine.take()
    (sketch,) = snapshot.columns.values()
    assert sketch.count == 5000


def test_the_buffer_of_a_model_that_nobody_calls_any_more_is_let_go() -> None:
    mine = recorder()
    batch = tabulate(np.random.default_rng(0).normal(size=(900, 20)))
    for _ in range(5):
        mine.record([("feature", batch)])
    assert held(mine) > 100_000
    mine.take()
    mine.take()  # nothing came in between
    assert held(mine) < 10_000


def test_a_model_that_is_called_on_and_on_has_one_buffer_and_no_spare_one() -> None:
    mine = recorder()
    batch = tabulate(np.random.default_rng(0).normal(size=(900, 20)))
    for _ in range(5):
        for _ in range(7):
            mine.record([("feature", batch)])
        assert held(mine) < 400_000  # one is of 320 kB
        mine.take()
    mine.record([("feature", batch)])
    (snapshot,) = mine.take()
    assert snapshot.rows == 900
