from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import AggregationTemporality

from driftmeter.exporter._streams import Stream
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot

CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
MODEL, X, C = Model("m"), Column("x"), Column("c", kind="categorical")


def _values(*values: float) -> Snapshot:
    return Snapshot(MODEL, 0, 1, {X: NumericSketch.from_values(np.array(values, dtype=np.float64))})


def _numbers(metrics, metric: str, attribute: str) -> dict[str, int]:
    points = [point for found in metrics if found.name == metric for point in found.data.data_points]
    return {point.attributes.get(attribute, ""): point.value for point in points}


def _parts(metrics) -> dict[str, object]:
    (metric,) = [found for found in metrics if found.name == "ml.column.value"]
    return {point.attributes.get("ml.column.part", ""): point for point in metric.data.data_points}


def _buckets(buckets, *, down: int) -> Counter[int]:
    counts: Counter[int] = Counter()
    for at, count in enumerate(buckets.bucket_counts):
        counts[(buckets.offset + at) >> down] += count
    return +counts


def _assert_no_bucket_falls(before, after) -> None:
    for name, point in before.items():
        later = after[name]
        down = point.scale - later.scale
        assert down >= 0
        assert later.count >= point.count
        assert later.zero_count >= point.zero_count
        assert _buckets(point.positive, down=down) <= _buckets(later.positive, down=0)
        assert _buckets(point.negative, down=down) <= _buckets(later.negative, down=0)


_magnitudes = st.sampled_from([1e-300, 1e-5, 0.7, 1.0, 2013.0, 9999.0, 5e6, 3.4e38, 1.7976931348623157e308])
_batches = st.lists(
    st.tuples(_magnitudes, st.sampled_from([1.0, -1.0]), st.integers(1, 400), st.sampled_from([0.0, 1e-4, 0.3])),
    min_size=1,
    max_size=4,
)


class TestCumulative:
    def test_a_model_s_totals_begin_with_the_last_collection_before_its_first_row(self) -> None:
        stream = Stream(CUMULATIVE, start=5)
        stream.collect(10, limit=100)
        for end in (20, 30):
            stream.add([_values(1.0)])
            [point] = _parts(stream.collect(end, limit=100)).values()
            assert (point.start_time_unix_nano, point.time_unix_nano) == (10, end)

    @settings(max_examples=60, deadline=None)
    @given(collections=st.lists(_batches, min_size=2, max_size=5), seed=st.integers(0, 99))
    def test_no_series_ever_loses_counts_and_all_of_them_hold_the_column(self, collections, seed) -> None:
        rng = np.random.default_rng(seed)
        stream = Stream(CUMULATIVE, start=0)
        before: dict[str, object] = {}
        rows = 0
        for at, batches in enumerate(collections):
            values = [0.0]
            for magnitude, sign, count, spread in batches:
                values += (sign * magnitude * (1 - spread * rng.uniform(0, 1, count))).tolist()
            rows += len(values)
            stream.add([_values(*values)])
            after = _parts(stream.collect(at + 1, limit=100))
            assert sum(point.count for point in after.values()) == rows
            assert len(after) <= 4
            _assert_no_bucket_falls(before, after)
            before = after

    def test_the_main_part_stays_where_it_was_when_another_becomes_fuller(self) -> None:
        rng = np.random.default_rng(0)
        stream = Stream(CUMULATIVE, start=0)
        stream.add([_values(*rng.normal(1000, 0.1, 500), *rng.normal(5e6, 100, 400))])
        early = _parts(stream.collect(1, limit=100))
        assert {name: point.count for name, point in early.items()} == {"": 500, "4.1943e+06": 400}
        stream.add([_values(*rng.normal(5e6, 100, 200))])
        late = _parts(stream.collect(2, limit=100))
        assert {name: point.count for name, point in late.items()} == {"": 500, "4.1943e+06": 600}

    def test_a_category_stays_named_and_one_that_came_too_late_stays_among_the_others(self) -> None:
        stream = Stream(CUMULATIVE, start=0)
        before: dict[str, int] = {}
        for step in range(16):
            more = {f"x{step}_{i}": 6 for i in range(100)} if 0 < step < 14 else {"JFK": 5 + step}
            stream.add([Snapshot(MODEL, 0, 1, {C: CategoricalSketch(more)})])
            after = _numbers(stream.collect(step + 1, limit=10_000), "ml.column.categories", "ml.category")
            assert {name for name, count in before.items() if after.get(name, 0) < count} == set()
            before = after
        assert before["JFK"] == 5 + 19 + 20
        assert before["__other__"] == 6 * (13 * 100 + 1 - 1000)


class TestLimit:
    @pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
    def test_a_model_that_does_not_fit_leaves_room_for_the_others_and_is_counted(self, temporality) -> None:
        one = NumericSketch.from_values(np.arange(5.0))
        big = Snapshot(Model("big"), 0, 1, {Column(f"c{i}"): one for i in range(600)})
        small = [Snapshot(Model(f"s{i}"), 0, 1, {X: one}) for i in range(3)]
        stream = Stream(temporality, start=0)
        counted = []
        for now in (1, 2):
            stream.add([big, *small])
            metrics = stream.collect(now, limit=1000)
            (values,) = [metric for metric in metrics if metric.name == "ml.column.value"]
            assert {point.attributes["ml.model.name"] for point in values.data.data_points} == {"s0", "s1", "s2"}
            (metric,) = [metric for metric in metrics if metric.name == "driftmeter.dropped_points"]
            assert (metric.data.aggregation_temporality, metric.data.is_monotonic) == (temporality, True)
            counted.append(_numbers(metrics, "driftmeter.dropped_points", "ml.model.name"))
        second = 1200 if temporality is DELTA else 2400
        assert counted == [{"big": 1200}, {"big": second}]

    def test_parts_other_categories_and_invalid_values_count_too(self) -> None:
        rows = np.concatenate([np.random.default_rng(0).normal(1000, 1, 500), np.full(3, 3.4e38), [np.inf]])
        columns = {X: NumericSketch.from_values(rows), C: CategoricalSketch({"a": 1}, other=2)}
        for limit, kept in ((7, 7), (6, 0)):
            stream = Stream(DELTA, start=0)
            stream.add([Snapshot(MODEL, 0, 1, columns)])
            sent = [metric for metric in stream.collect(1, limit=limit) if metric.name.startswith("ml.")]
            assert sum(len(metric.data.data_points) for metric in sent) == kept

    def test_nothing_is_said_of_dropped_points_where_there_are_none(self) -> None:
        stream = Stream(DELTA, start=0)
        stream.add([_values(1.0)])
        assert "driftmeter.dropped_points" not in {metric.name for metric in stream.collect(1, limit=100)}
