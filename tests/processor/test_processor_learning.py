"""Models without a baseline learn one from their first rows, in bounded memory."""

from __future__ import annotations

import numpy as np

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.processor._learning import MAX_WINDOWS, Learning
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000


def snapshot(second: int, *, mean: float = 0.0, rows: int = 100) -> Snapshot:
    values = np.random.default_rng(second).normal(mean, 1.0, rows)
    columns = Baseline.from_frame({"x": values}, model="m").snapshot.columns
    return Snapshot(Model("m"), second * SECOND, second * SECOND + 1, columns)


def served(*, learn_rows: int, means: list[float]) -> list[set[str]]:
    processor = Processor(Config(window=1, step=1, learn_rows=learn_rows), baselines=lambda _: [])
    found = []
    for second, mean in enumerate(means):
        processor.add([snapshot(second, mean=mean)])
        processor.advance((second + 1) * SECOND)
        found.append({metric.name for metric, pairs in processor.signals().items() for _, value in pairs if value})
    return found


def test_the_first_rows_become_the_baseline_and_later_ones_are_compared_with_them(caplog):
    found = served(learn_rows=500, means=[0.0] * 7 + [2.0])
    assert not any("ml.drift.p_value" in names for names in found[:5])
    assert "ml.drift.p_value" in found[6]
    assert "ml.drift.detected" not in found[6]
    assert "ml.drift.detected" in found[7]
    assert caplog.text.count("first 500 rows") == 1


def test_nothing_is_learned_where_that_is_turned_off():
    assert not any("ml.drift.p_value" in names for names in served(learn_rows=0, means=[0.0] * 9))


def test_traffic_is_kept_a_window_at_a_time_and_no_row_is_lost():
    learning = Learning(window=10 * SECOND)
    for second in range(30):
        learning.add(snapshot(second))
    assert learning.rows == 3000
    learned = learning.take()
    assert learned.snapshot.rows == 3000
    assert [block.rows for block in learned.blocks] == [1000, 1000]  # the one that may go on is no example of a window
    assert learning.rows == 0
    assert learning.take() is None


def test_windows_that_are_kept_apart_are_bounded():
    learning = Learning(window=SECOND)
    for second in range(3 * MAX_WINDOWS):
        learning.add(snapshot(second, rows=2))
    learned = learning.take()
    assert learned.snapshot.rows == 6 * MAX_WINDOWS
    assert [kept.rows for kept in learned.blocks] == [2] * (MAX_WINDOWS - 1)


def test_what_was_served_is_forgotten_when_a_baseline_is_given():
    given = []
    processor = Processor(Config(window=1, step=1, learn_rows=500), baselines=lambda _: given)
    processor.add([snapshot(0)])
    processor.advance(SECOND)
    given.append(Baseline.from_frame({"x": np.random.default_rng(9).normal(size=1000)}, model="m"))
    processor.add([snapshot(1)])
    processor.advance(2 * SECOND)
    assert processor._models[Model("m")].processor._learning.rows == 0
