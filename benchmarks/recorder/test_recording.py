"""What recording costs the thread that predicts: one row, a thousand rows, a frame of mixed columns."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from driftmeter.recorder import Columns, Limits, ModelRecorder
from driftmeter.schema import Model
from driftmeter.sketches import BlockSketcher
from driftmeter.tables import Names, tabulate

NAMES = Names.of([f"f{i}" for i in range(20)])
"""As calls keep them of a model that they know."""


def recorder() -> ModelRecorder:
    return ModelRecorder(Model("m"), columns=Columns(), limits=Limits(), step=600 * 10**9, clock=time.time_ns)


def rows_of(recorder: ModelRecorder) -> int:
    return sum(snapshot.rows for snapshot in recorder.take())


def mixed_frame(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numeric = {f"n{i}": rng.normal(size=rows) for i in range(10)}
    return pd.DataFrame(numeric | {f"c{i}": rng.choice(["a", "b", "c"], rows) for i in range(10)})


@pytest.mark.parametrize("rows", [1, 1000])
def test_array_of_20_features(benchmark, rows):
    mine = recorder()
    batch = np.random.default_rng(0).normal(size=(rows, 20))
    calls = 0

    def record():
        nonlocal calls
        calls += 1
        mine.record([("feature", tabulate(batch, names=NAMES))])

    benchmark(record)
    assert rows_of(mine) == calls * rows


@pytest.mark.parametrize("rows", [1, 1000])
def test_plain_copy_of_20_features(benchmark, rows):
    """A fair plain copy: into a buffer of the recorder's size, place after place, so that caches are as cold as there,
    and under a lock, which whatever is written by several threads needs. What the recorder does on top of it is to read
    the array as a table, to look at the clock, and to sketch."""
    batch = np.random.default_rng(0).normal(size=(rows, 20))
    target = np.empty((2000, 20))
    places = itertools.cycle(range(0, len(target), rows))
    lock = threading.Lock()

    def copy():
        with lock:
            place = next(places)
            target[place : place + rows] = batch

    benchmark(copy)
    assert (target[:rows] == batch).all()


def test_sketching_of_1000_rows(benchmark):
    """What each thousand rows cost sooner or later: the flush, spread over the calls that filled the buffer."""
    sketcher = BlockSketcher(20)
    block = np.random.default_rng(0).normal(size=(2000, 20))
    batches = 0

    def add():
        nonlocal batches
        batches += 1
        sketcher.add(block[:1000])

    benchmark(add)
    assert sketcher.take()[0].total == 1000 * batches


@pytest.mark.parametrize("rows", [1, 1000])
def test_frame_of_20_mixed_columns(benchmark, rows):
    mine = recorder()
    frame = mixed_frame(rows)
    calls = 0

    def record():
        nonlocal calls
        calls += 1
        mine.record([("feature", tabulate(frame))])

    benchmark(record)
    assert rows_of(mine) == calls * rows


def test_one_row_while_another_thread_flushes(benchmark):
    mine = recorder()
    row = tabulate(np.random.default_rng(0).normal(size=(1, 20)), names=NAMES)
    taken = 0
    done = threading.Event()

    def flush():
        nonlocal taken
        while not done.wait(0.01):
            taken += rows_of(mine)

    def record_many():
        nanoseconds = np.empty(50_000)
        for i in range(len(nanoseconds)):
            start = time.perf_counter_ns()
            mine.record([("feature", row)])
            nanoseconds[i] = time.perf_counter_ns() - start
        return np.quantile(nanoseconds, [0.5, 0.99]) / 1000

    flusher = threading.Thread(target=flush)
    flusher.start()
    median, p99 = benchmark.pedantic(record_many, rounds=3)
    done.set()
    flusher.join()
    assert taken + rows_of(mine) == 3 * 50_000
    benchmark.extra_info.update(median_us=round(median, 2), p99_us=round(p99, 2))


def test_predict_on_one_row_of_20_mixed_columns(benchmark):
    """The call whose cost recording a row is to be held against."""
    frame = mixed_frame(500)
    names = [f"c{i}" for i in range(10)]
    columns = ColumnTransformer([("codes", OneHotEncoder(), names)], remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(frame, np.arange(500) % 2)
    row = frame[:1]
    assert benchmark(model.predict, row).shape == (1,)
