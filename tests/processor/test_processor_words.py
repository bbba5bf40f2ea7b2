"""What moved, in words that people can read and tell apart."""

from __future__ import annotations

import re

import numpy as np
import pytest

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.processor import Processor
from driftmeter.processor._number_words import number_words, range_words
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000
NUMBER = r"-?[\d,]+(?:\.\d+)?(?:e[+-]\d+)?"


def what_moved(baseline: dict, live: dict) -> str:
    """What the event says that a window's verdict gave."""
    known = Baseline.from_frame(baseline, model="m")
    columns = Baseline.from_frame(live, model="m").snapshot.columns
    processor = Processor(Config(window=10, step=10), baselines=lambda _: [known])
    processor.add([Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, columns)])
    (event,) = [event for event in processor.advance(1010 * SECOND) if event.name == "ml.skew.detected"]
    return event.body


@pytest.mark.parametrize(
    ("offset", "spread"),
    [(0.0, 1.0), (0.0, 1e9), (0.0, 1e-6), (1e7, 1e3), (1e9, 1e4), (-1e9, 1e5), (1.7e9, 1e6), (1e12, 1e8), (1e-5, 1e-9)],
)
def test_the_edges_of_a_range_are_told_apart_however_far_from_zero_they_are(offset, spread) -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.from_frame({"x": offset + spread * rng.normal(size=20_000)}, model="m")
    live = Baseline.from_frame({"x": offset + spread * rng.normal(2.0, 1.0, 2000)}, model="m").snapshot.columns
    processor = Processor(Config(window=10, step=10), baselines=lambda _: [baseline])
    processor.add([Snapshot(Model("m"), 1000 * SECOND, 1001 * SECOND, live)])
    (event,) = [event for event in processor.advance(1010 * SECOND) if event.name == "ml.skew.detected"]
    ranges = re.findall(rf"({NUMBER})(?:-| to )({NUMBER}) (?:went )?from", event.body)
    assert len(ranges) == 2, event.body
    for texts in ranges:
        low, high = (float(text.replace(",", "")) for text in texts)
        assert low < high, event.body
        assert offset - 5 * spread < low
        assert high < offset + 8 * spread


def test_a_stray_value_does_not_blur_the_other_edges() -> None:
    rng = np.random.default_rng(0)
    body = what_moved({"x": rng.normal(size=20_000)}, {"x": np.append(rng.normal(2.0, 1.0, 2000), 1e9)})
    edges = re.findall(rf"({NUMBER})(?:-| to )({NUMBER}) (?:went )?from", body)
    inner = sorted(float(text.replace(",", "")) for texts in edges for text in texts)[1:-1]
    assert all(0.2 < edge < 2.0 for edge in inner), body


def test_values_near_the_ends_of_float64_are_told_in_few_digits() -> None:
    values = np.repeat([-1.7e308, 1.0, 1.7e308], 1000)
    assert len(what_moved({"x": values}, {"x": values[1500:]})) < 150


def test_category_names_that_one_would_not_see_are_in_quotes() -> None:
    towns = np.repeat(np.array(["", "Köln", " ", "a\nb"], dtype=object), 1000)
    assert "'' went from 25 % to 100 %" in what_moved({"x": towns}, {"x": towns[:500]})
    assert "'a\\nb' went from 25 % to 100 %" in what_moved({"x": towns}, {"x": towns[3000:]})
    assert "Köln went from 25 % to 100 %" in what_moved({"x": towns}, {"x": towns[1000:2000]})


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (1990.0, 2012.0, "1990-2012"),
        (1250.0, 9999.0, "1250-9999"),
        (9500.0, 12_000.0, "9500-12,000"),
        (9999.6, 10_000.4, "10,000"),
        (25_300.0, 1_250_000.0, "25,300-1,250,000"),
        (-3000.0, -1000.0, "-3000 to -1000"),
        (-12_000.0, 0.0, "-12,000 to 0"),
        (0.0, 1e9, "0-1,000,000,000"),
    ],
)
def test_numbers_have_separators_from_five_digits_on_so_that_years_read_as_years(low, high, told) -> None:
    assert range_words(low, high, 0) == told


@pytest.mark.parametrize(("value", "told"), [(1250.5, "1250.5"), (12_500.25, "12,500.25"), (0.25, "0.25")])
def test_fractions_are_told_as_far_as_they_matter(value, told) -> None:
    assert number_words(value, 2) == told


def test_rows_are_counted_with_separators_whatever_the_edges_are() -> None:
    body = what_moved({"x": np.arange(20_000) % 63 + 1950.0}, {"x": np.arange(4000) % 23 + 1990.0})
    assert body.startswith("x: 1950-1989 went from 64 % to 0 % of rows, 1990-2012 from 36 % to 100 %; ")
    assert body.endswith(", 4,000 rows")


def _hours(rows: int, seed: int, *, odd: float = 0.0) -> np.ndarray:
    """Return hours of the day, of which a share comes at odd hours more than at even ones."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < odd, 2 * rng.integers(3, 12, rows) + 1, rng.integers(6, 24, rows)).astype(float)


def test_many_small_moves_are_told_as_such_and_by_how_much_they_are_in_all() -> None:
    body = what_moved({"hour": _hours(20_000, 0)}, {"hour": _hours(20_000, 1, odd=0.1)})
    told = re.fullmatch(
        r"hour: many small moves, (.*) % of rows in all, most (.*); PSI .*, p < 1e-12, 20,000 rows", body
    )
    assert told, body
    assert float(told[1]) == pytest.approx(5, abs=1)
    assert re.fullmatch(r"\d+ from [\d.]+ % to [\d.]+ %, \d+ from [\d.]+ % to [\d.]+ %", told[2])


def test_moves_of_which_none_stands_out_are_told_by_what_they_are_in_all() -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"c{i}" for i in range(200)], dtype=object)
    tilt = 1 + 0.2 * (np.arange(200) % 2 * 2 - 1)
    body = what_moved({"x": rng.choice(names, 200_000)}, {"x": rng.choice(names, 200_000, p=tilt / tilt.sum())})
    assert re.fullmatch(r"x: many small moves, (9\.\d|1\d) % of rows in all; PSI .*, p < 1e-12, 200,000 rows", body), (
        body
    )


def test_many_moves_that_are_not_small_are_not_told_as_such() -> None:
    names = np.array([f"c{i}" for i in range(8)], dtype=object)
    body = what_moved({"x": np.repeat(names, 1000)}, {"x": np.repeat(names[::2], 1000)})
    assert body.startswith("x: many moves, 50 % of rows in all, most c0 from 12 % to 25 %, c1 from 12 % to 0 %; "), body


def test_one_great_move_among_others_is_told_as_what_happened() -> None:
    values = np.append(_hours(9000, 0), np.full(1000, 12.0))
    body = what_moved({"hour": _hours(20_000, 1)}, {"hour": values})
    assert body.startswith("hour: 12 went from 5.6 % to 15 % of rows, "), body


def _said(windows: list, **config) -> list[list[str]]:
    """Return what the events of the windows' verdicts say, window by window."""
    known = Baseline.from_frame({"x": np.random.default_rng(0).normal(size=20_000)}, model="m")
    processor = Processor(Config(window=10, step=10, **config), baselines=lambda _: [known])
    said = []
    for at, values in enumerate(windows):
        columns = Baseline.from_frame({"x": values}, model="m").snapshot.columns
        start = 1000 + 10 * at
        processor.add([Snapshot(Model("m"), start * SECOND, (start + 1) * SECOND, columns)])
        said.append([event.body for event in processor.advance((start + 10) * SECOND)])
    return said


def test_a_verdict_that_rests_on_two_windows_says_so() -> None:
    rng = np.random.default_rng(0)
    usual, moved = rng.normal(size=400), rng.normal(0.15, 1.0, 400)
    first, second, third, last = _said([moved, moved, moved, usual])
    assert first == third == []
    assert re.search(r"; PSI 0\.\d+, p = 0\.0\d+ in the second window running, 400 rows$", second[0]), second
    assert "running" not in last[0]
    (at_once,) = _said([rng.normal(2.0, 1.0, 400)])
    assert at_once[0].endswith(", p < 1e-12, 400 rows")


def test_a_verdict_by_a_fixed_threshold_tells_it_in_place_of_a_p_value() -> None:
    rng = np.random.default_rng(5)
    far, usual = rng.normal(1.0, 1.0, 400), rng.normal(size=400)
    (turned,), (back,) = _said([far, usual], models={"m": {"threshold": 0.25}})
    assert re.search(r"; PSI \d\.\d+ over its threshold of 0\.25, 400 rows$", turned), turned
    assert re.search(r" rows moved, PSI 0\.\d+ below its threshold of 0\.25, 400 rows$", back), back
