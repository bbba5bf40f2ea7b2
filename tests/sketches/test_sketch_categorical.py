"""The categorical sketch: exact for what is known, bounded for what is not."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftmeter.sketches import OTHER, CategoricalSketch, CategoryCounter, category_name, is_missing

names = st.sampled_from("abcdefgh")
streams = st.lists(names, max_size=80)
parts = st.lists(streams, max_size=5)


def sketch_of(values: object, **options: object) -> CategoricalSketch:
    return CategoricalSketch.from_values(values, **options)


def assert_within_bound(sketch: CategoricalSketch, truth: Counter[str]) -> None:
    assert sketch.count == truth.total()
    for name, count in truth.items():
        told = sketch.counts.get(name, 0)
        assert told <= count <= told + sketch.error_bound
    assert set(sketch.counts) <= set(truth)


def test_few_categories_are_counted_exactly() -> None:
    values = ["a", "b", "a", None, float("nan"), pd.NA, pd.NaT, "a"]
    sketch = sketch_of(values)
    assert (sketch.counts, sketch.other, sketch.missing, sketch.error_bound) == ({"a": 3, "b": 1}, 0, 4, 0)


@given(parts, st.integers(1, 4), st.sets(names, max_size=2))
def test_no_count_is_lost_or_short_by_more_than_the_bound(blocks: list[list[str]], size: int, known: set[str]) -> None:
    counter = CategoryCounter(known, max_others=size)
    for block in blocks:
        counter.add(block)
    sketch = counter.take()
    truth = Counter(value for block in blocks for value in block)
    assert_within_bound(sketch, truth)
    assert {name: sketch.counts.get(name, 0) for name in known} == {name: truth[name] for name in known}
    assert len(set(sketch.counts) - known) <= size


@given(parts, st.integers(1, 4))
def test_merging_loses_nothing_and_keeps_the_bound(blocks: list[list[str]], size: int) -> None:
    sketches = [sketch_of(block, max_others=size) for block in blocks]
    before = [(dict(sketch.counts), sketch.other) for sketch in sketches]
    merged = CategoricalSketch.merge_all(sketches, max_others=size)
    assert_within_bound(merged, Counter(value for block in blocks for value in block))
    assert [(dict(sketch.counts), sketch.other) for sketch in sketches] == before
    assert CategoricalSketch.merge_all(sketches[::-1], max_others=size) == merged


@given(streams, streams, streams)
def test_merging_associates_while_all_names_fit(a: list[str], b: list[str], c: list[str]) -> None:
    x, y, z = map(sketch_of, (a, b, c))
    assert x.merge(y).merge(z) == x.merge(y.merge(z)) == sketch_of(a + b + c)


@given(streams, streams, streams)
def test_any_grouping_of_merges_keeps_the_bound(a: list[str], b: list[str], c: list[str]) -> None:
    x, y, z = (sketch_of(part, max_others=2) for part in (a, b, c))
    truth = Counter(a + b + c)
    assert_within_bound(x.merge(y, max_others=2).merge(z, max_others=2), truth)
    assert_within_bound(x.merge(y.merge(z, max_others=2), max_others=2), truth)


def test_known_categories_survive_any_number_of_others() -> None:
    rare = CategoryCounter(["rare"])
    for start in range(0, 20_000, 500):
        rare.add([f"user {i}" for i in range(start, start + 500)])
    rare.add(["rare"])
    assert rare.take().counts["rare"] == 1


def test_a_late_but_frequent_category_is_not_overlooked() -> None:
    counter = CategoryCounter(max_others=10)
    rng = np.random.default_rng(0)
    for block in range(60):
        values = [f"v{i}" for i in rng.integers(0, 100, 1_000)]
        counter.add([*values, *(["late"] * 150 if block >= 30 else [])])
    sketch = counter.take()
    assert max(sketch.counts, key=lambda name: sketch.counts[name]) == "late"
    assert 30 * 150 - sketch.error_bound <= sketch.counts["late"] <= 30 * 150


def test_the_counters_own_error_is_below_a_share_of_the_values() -> None:
    counter = CategoryCounter(max_others=20)
    stream = np.random.default_rng(1).zipf(1.2, 200_000) % 5_000
    for block in np.array_split(stream, 100):
        counter.add([f"v{i}" for i in block])
    assert counter._floor <= len(stream) / (5 * 20)
    assert len(counter._counts) <= 5 * 20


def test_a_million_different_strings_stay_within_the_bound() -> None:
    counter = CategoryCounter(["known"])
    counter.add([f"id {i}" for i in range(1_000_000)] + ["known"] * 7)
    sketch = counter.take()
    assert sketch.counts["known"] == 7
    assert (len(sketch.counts), sketch.total) == (101, 1_000_007)


def test_long_texts_leave_a_digest_and_are_still_told_apart() -> None:
    sketch = sketch_of(["x" * 10_000 + end for end in "abab"])
    assert list(sketch.counts.values()) == [2, 2]
    assert all(len(name) == 13 and "x" not in name for name in sketch.counts)


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "ü" * 200 + "\ud800", "\x00", "日本語"])
def test_every_name_is_valid_unicode(text: str) -> None:
    (name,) = sketch_of([text, text]).counts
    assert name.encode("utf-8").decode("utf-8") == name
    assert len(name) <= 128
    assert category_name(name) == name


def test_numbers_that_are_equal_are_one_category_and_truth_values_are_none_of_them() -> None:
    assert sketch_of([3, 3.0, "3", np.float32(3), np.int8(3)]).counts == {"3": 5}
    assert sketch_of([True, 1, 1.0, False, 0, np.True_]).counts == {"True": 2, "1": 2, "False": 1, "0": 1}
    assert sketch_of([1, True]).counts == sketch_of([True, 1]).counts == {"1": 1, "True": 1}


def test_values_of_any_type() -> None:
    day = dt.date(2024, 2, 29)
    sketch = sketch_of([day, [1, 2], [1, 2], {"k": 1}, b"x", (1,), np.array([1, 2]), None, "a"])
    assert sketch.count == 8
    assert sketch.missing == 1
    assert sketch.counts["[1, 2]"] == 2
    assert sketch.counts["2024-02-29"] == sketch.counts["a"] == 1


def test_a_value_named_like_the_rest_is_told_apart_from_it() -> None:
    assert sketch_of([OTHER]).counts == {'"__other__"': 1}


def test_an_array_is_not_missing() -> None:
    assert not is_missing(np.array([1.0, np.nan]))


@pytest.mark.parametrize("dtype", [object, str, np.int64, np.float64, np.bool_])
def test_arrays_count_like_lists(dtype: type) -> None:
    array = np.array([1, 0, 1, 1]).astype(dtype)
    assert sketch_of(array) == sketch_of(array.tolist())


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=50))
def test_codes_of_a_pandas_categorical_count_like_its_values(values: list[str | None]) -> None:
    column = pd.Categorical(values, categories=["c", "b", "a"])
    counter = CategoryCounter(["a"])
    counter.add_codes(column.codes, column.categories)
    assert counter.take() == sketch_of(values, known=["a"])


@pytest.mark.parametrize("codes", [[0, 3], [-2, 0]])
def test_codes_without_a_name_are_refused_with_their_range(codes: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"-1 to 2; got {min(codes)} to {max(codes)}"):
        CategoryCounter().add_codes(np.array(codes, dtype=np.int8), ["a", "b", "c"])


def test_take_starts_anew() -> None:
    counter = CategoryCounter(max_others=1)
    counter.add([str(i) for i in range(100)])
    counter.take()
    assert counter.take() == CategoricalSketch()


def test_in_a_running_total_no_count_ever_falls() -> None:
    total = CategoricalSketch({"JFK": 5, **{f"id{i}": 1 for i in range(99)}})
    for step in range(30):
        before = total
        more = {f"x{step}_{i}": 6 for i in range(100)} if step < 12 else {"JFK": 9, f"late{step}": 1000}
        total = total.running_total(CategoricalSketch(more))
        assert {name: count for name, count in before.counts.items() if total.counts.get(name, 0) < count} == {}
        assert total.other >= before.other
    assert total.counts["JFK"] == 5 + 18 * 9
    assert len(total.counts) == 1000
    assert total.count == 104 + 12 * 600 + 18 * 1009


def test_codes_of_several_lists_of_names_and_plain_values_add_up() -> None:
    counter = CategoryCounter()
    for names_of_codes in (["a", "b"], ["a", "b"], ["b", "c"], [pd.NA, "b"]):
        counter.add_codes(np.array([0, 1, 1, -1], dtype=np.int8), names_of_codes)
    counter.add(["c", None])
    assert counter.take() == CategoricalSketch({"a": 2, "b": 7, "c": 3}, missing=6)
    assert counter.take() == CategoricalSketch()


def test_codes_are_counted_by_the_names_that_came_with_them_even_if_the_list_changes_later() -> None:
    counter, column_names = CategoryCounter(), ["a", "b"]
    counter.add_codes([0, 1], column_names)
    column_names[0] = "z"
    counter.add_codes([0, 1], column_names)
    assert counter.take().counts == {"a": 1, "b": 2, "z": 1}


@pytest.mark.parametrize("seed", range(8))
def test_texts_that_are_left_out_early_are_those_that_would_be_dropped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    of_texts, of_numbers = (CategoryCounter({"3", "4", "1000000"}, max_others=3) for _ in range(2))
    for different in (5, 400, 100_000, 60, 400):
        block = rng.integers(0, different, 500) if seed % 2 else rng.zipf(1.3, 500) % different
        of_texts.add([str(number) for number in block])
        of_numbers.add(block)  # named one by one: nothing is left out early
    texts, numbers = of_texts.take(), of_numbers.take()
    assert (texts, texts.error) == (numbers, numbers.error)
    assert texts.error > 0
