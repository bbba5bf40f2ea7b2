"""What becomes of points: by their intervals, by what their streams had before, and by what there is room for."""

from __future__ import annotations

import pytest
from gateway_points import CUMULATIVE, NOW, STEP, WINDOW, add_points, body, ledger, missing, outcomes, taken
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._deltas import INTERVALS
from driftmeter.gateway.streams._identity import Service
from driftmeter.schema import Column, Model, Segment
from driftmeter.sketches import CategoricalSketch, NumericSketch

M, X, C = Model("m"), Column("x"), Column("c", kind="categorical")


def _total(start: int, time: int, value: int, **more) -> bytes:
    return body({"interval": (start, time), "value": value, **more}, temporality=CUMULATIVE)


class TestDelta:
    def test_an_interval_counts_once_and_in_the_step_that_it_starts_in(self) -> None:
        counting = ledger()
        request = body({"interval": (1009, 1025), "value": 3})
        assert outcomes(counting, request) == {"counted": 1}
        assert outcomes(counting, request) == {"duplicate": 1}
        assert missing(counting) == {1000: 3}
        assert outcomes(counting, request) == {"duplicate": 1}
        assert missing(counting) == {}

    def test_gaps_and_late_intervals_count_in_their_own_steps(self) -> None:
        counting = ledger()
        for start in (1000, 1050, 1020):
            assert outcomes(counting, body({"interval": (start, start + 10)})) == {"counted": 1}
        assert missing(counting) == {1000: 1, 1020: 1, 1050: 1}

    def test_two_processes_of_one_identity_both_count_and_are_told(self) -> None:
        counting = ledger()
        assert outcomes(counting, body({"interval": (1000, 1010)})) == {"counted": 1}
        assert outcomes(counting, body({"interval": (1003, 1013)})) == {"overlapping": 1}
        assert missing(counting) == {1000: 2}

    def test_streams_of_an_interval_count_when_they_come(self) -> None:
        counting = ledger()
        assert outcomes(counting, body({"column": "y"}, {"column": "z"})) == {"counted": 2}
        assert outcomes(counting, body({"column": "y"}, {"column": "x"})) == {"counted": 1, "duplicate": 1}
        assert missing(counting) == {1000: 1}

    def test_the_same_stream_twice_in_one_request_counts_once(self) -> None:
        counting = ledger()
        assert outcomes(counting, body({"value": 2}, {"value": 2})) == {"counted": 1, "duplicate": 1}
        assert missing(counting) == {1000: 2}

    def test_attributes_in_another_order_are_the_same_stream(self) -> None:
        counting = ledger()
        request = ExportMetricsServiceRequest.FromString(body({"ml__column__role": "score"}))
        outcomes(counting, request.SerializeToString())
        point = request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
        turned = list(point.attributes)[::-1]
        del point.attributes[:]
        point.attributes.extend(turned)
        assert outcomes(counting, request.SerializeToString()) == {"duplicate": 1}

    def test_what_no_window_can_hold_any_more_is_old(self) -> None:
        counting = ledger()
        assert outcomes(counting, body({"interval": (2000, 2000 + WINDOW)})) == {"counted": 1}
        assert outcomes(counting, body({"interval": (1990, 2000)})) == {"old": 1}
        assert outcomes(counting, body({"interval": (1991, 2001)})) == {"overlapping": 1}

    def test_where_a_sender_s_clock_was_ahead_what_it_sends_next_is_not_old(self) -> None:
        counting = ledger()
        assert outcomes(counting, body({"interval": (NOW + 400, NOW + 500)})) == {"counted": 1}
        assert outcomes(counting, body({"interval": (NOW - 10, NOW)})) == {"counted": 1}
        assert missing(counting) == {NOW - 10: 1, NOW + 400: 1}

    def test_a_point_without_a_start_is_one_of_its_time(self) -> None:
        counting = ledger()
        request = body({"interval": (0, 1015), "value": 4})
        assert outcomes(counting, request) == {"counted": 1}
        assert outcomes(counting, request) == {"duplicate": 1}
        assert missing(counting) == {1010: 4}

    def test_the_intervals_of_a_writer_are_bounded_and_none_counts_twice(self) -> None:
        counting = ledger()
        requests = [body({"interval": (5000 + i, 5001 + i)}) for i in range(INTERVALS + 100)]
        counting._horizon = 10**6
        for request in requests:
            assert outcomes(counting, request) == {"counted": 1}
        ((_, shard),) = counting.shards.items()
        (writer,) = shard.writers.values()
        assert len(writer.intervals) <= INTERVALS
        for request in requests:
            assert outcomes(counting, request) in ({"old": 1}, {"duplicate": 1})


_BOTH = ("counted", "overlapping")


def _sum(start: int, time: int, value: int, **more) -> bytes:
    return body({"interval": (start, time), "value": value, **more})


class TestDeltaThatGoesOn:
    """What a sender adds to an export that seems to have failed: the start of the interval stays."""

    def test_it_counts_by_what_it_is_more_and_since_the_end_of_what_was_counted(self) -> None:
        counting = ledger()
        assert outcomes(counting, _sum(1000, 1010, 5)) == {"counted": 1}
        for time, value in ((1025, 9), (1035, 9), (1041, 10)):
            assert outcomes(counting, _sum(1000, time, value)) == {"extended": 1}
        assert outcomes(counting, _sum(1041, 1050, 2)) == {"counted": 1}
        assert missing(counting) == {1000: 5, 1010: 4, 1030: 1, 1040: 2}

    def test_the_buckets_of_a_sketch_count_by_what_they_are_more(self) -> None:
        counting = ledger()
        sketch = {"name": "ml.column.value", "scale": 5, "offset": 6}
        assert outcomes(counting, body({**sketch, "counts": [1, 2, 0, 4], "total": 8.0})) == {"counted": 1}
        later = {**sketch, "scale": 4, "offset": 2, "counts": [1, 3, 6], "interval": (1000, 1020), "total": 11.0}
        assert outcomes(counting, body(later)) == {"extended": 1}
        # 6 7 | 8 9 become 3 | 4, with 3 | 4 values.
        found = taken(counting)
        assert found[M, 1000][X].count == 7
        more = found[M, 1010][X]
        assert (more.positive.indexes.tolist(), more.positive.counts.tolist(), more.sum) == ([2, 4], [1, 2], 3.0)

    def test_the_shorter_one_is_part_of_the_longer_one_when_it_comes_later(self) -> None:
        counting = ledger()
        assert outcomes(counting, _sum(1000, 1020, 9)) == {"counted": 1}
        assert outcomes(counting, _sum(1000, 1010, 5)) == {"duplicate": 1}
        assert missing(counting) == {1000: 9}

    def test_it_goes_on_from_the_latest_point_whatever_came_last(self) -> None:
        counting = ledger()
        outcomes(counting, _sum(1020, 1030, 5))
        outcomes(counting, _sum(1000, 1010, 1))
        assert outcomes(counting, _sum(1020, 1040, 9)) == {"extended": 1}
        assert missing(counting) == {1000: 1, 1020: 5, 1030: 4}

    def test_both_in_one_request_count_once(self) -> None:
        counting = ledger()
        points = [{"interval": (1000, time), "value": value} for time, value in ((1020, 9), (1010, 5))]
        assert outcomes(counting, body(*points)) == {"counted": 1, "extended": 1}
        assert missing(counting) == {1000: 5, 1010: 4}

    def test_a_stream_that_is_new_in_the_longer_one_counts_whole(self) -> None:
        counting = ledger()
        outcomes(counting, _sum(1000, 1010, 5, column="y"))
        assert outcomes(counting, _sum(1000, 1020, 7)) == {"counted": 1}
        assert missing(counting) == {1000: 7}

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({"value": 5}, {"value": 4}),
            ({"name": "ml.column.value", "counts": [3, 1]}, {"name": "ml.column.value", "counts": [9, 0, 9]}),
        ],
        ids=["a count", "a bucket"],
    )
    def test_one_that_does_not_hold_the_shorter_one_is_another_process_and_counts_whole(self, first, second) -> None:
        counting = ledger()
        outcomes(counting, body(first))
        assert outcomes(counting, body({**second, "interval": (1000, 1020)})) == {"overlapping": 1}
        both = taken(counting)[M, 1000][X]
        assert both.total == sum(point.get("value", 0) + sum(point.get("counts", [])) for point in (first, second))

    def test_what_holds_more_than_the_last_point_alone_is_undecided_and_does_not_count(self) -> None:
        counting = ledger()
        outcomes(counting, _sum(1000, 1010, 5))
        outcomes(counting, _sum(1010, 1020, 2))
        request = _sum(1000, 1030, 9)
        assert [outcomes(counting, request) for _ in range(2)] == [{"undecided": 1}] * 2
        assert outcomes(counting, _sum(1020, 1030, 2)) == {"counted": 1}
        assert missing(counting) == {1000: 5, 1010: 2, 1020: 2}

    def test_it_goes_on_from_a_point_that_ended_a_window_ago(self) -> None:
        counting = ledger()
        outcomes(counting, _sum(1000, 1010, 5))
        outcomes(counting, _sum(1005, 1200, 1, column="y"))
        assert outcomes(counting, _sum(1000, 1210, 9)) == {"extended": 1}
        assert missing(counting) == {1000: 5, 1010: 4}

    def test_what_may_hold_a_point_that_is_forgotten_is_old(self) -> None:
        counting = ledger()
        for start, time in ((1000, 1010), (1010, 1020), (1100, 1200)):
            assert outcomes(counting, _sum(start, time, 1)) == {"counted": 1}
        assert outcomes(counting, _sum(1000, 1210, 9)) == {"old": 1}
        assert sum(missing(counting).values()) == 3

    def test_processes_of_one_identity_count_also_where_an_interval_is_longer_than_a_window(self) -> None:
        counting = ledger()
        for start in (1000, 1100, 1200, 1300, 1400, 1500, 1600):
            assert sum(outcomes(counting, _sum(start, start + 300, 1)).get(name, 0) for name in _BOTH) == 1
        assert sum(missing(counting).values()) == 7

    def test_streams_that_are_let_go_of_leave_the_others_as_they_were(self) -> None:
        counting = ledger()
        names = [f"c{at}" for at in range(1500)]
        outcomes(counting, body(*({"column": name, "interval": (800, 810)} for name in names)))
        outcomes(counting, body({"column": "z", "value": 3}, {"column": names[700], "value": 4}))
        counting.take()
        counting.expire(now=NOW)
        assert counting.streams == 2
        later = {"interval": (1000, 1020)}
        told = outcomes(
            counting, body({"column": names[700], "value": 9, **later}, {"column": "z", "value": 5, **later})
        )
        assert told == {"extended": 2}
        found = taken(counting)[M, 1010]
        assert (found[Column(names[700])].missing, found[Column("z")].missing) == (5, 2)


class TestCumulative:
    def test_a_point_counts_by_what_it_is_more_and_since_the_last_one(self) -> None:
        counting = ledger()
        for time, value in ((1010, 5), (1020, 9), (1030, 9), (1047, 10)):
            assert outcomes(counting, _total(1000, time, value)) == {"counted": 1}
        assert missing(counting) == {1000: 5, 1010: 4, 1030: 1}

    def test_resent_and_older_points_do_not_count(self) -> None:
        counting = ledger()
        outcomes(counting, _total(1000, 1020, 9))
        assert outcomes(counting, _total(1000, 1020, 9)) == {"duplicate": 1}
        assert outcomes(counting, _total(1000, 1010, 5)) == {"old": 1}
        assert missing(counting) == {1000: 9}

    def test_two_points_of_a_stream_in_one_request_count_in_the_order_of_time(self) -> None:
        counting = ledger()
        points = [{"interval": (1000, time), "value": value} for time, value in ((1030, 7), (1010, 2), (1020, 5))]
        assert outcomes(counting, body(*points, temporality=CUMULATIVE)) == {"counted": 3}
        assert missing(counting) == {1000: 2, 1010: 3, 1020: 2}

    def test_a_process_that_restarts_counts_from_zero(self) -> None:
        counting = ledger()
        for start, time, value in ((1000, 1010, 5), (1012, 1020, 3), (1000, 1011, 6), (1012, 1030, 4)):
            assert outcomes(counting, _total(start, time, value)) == {"counted": 1}
        assert sum(missing(counting).values()) == 6 + 4

    def test_a_fall_without_a_new_start_is_a_reset_and_counts_whole(self) -> None:
        counting = ledger()
        outcomes(counting, _total(1000, 1010, 5))
        assert outcomes(counting, _total(1000, 1020, 2)) == {"reset": 1}
        assert outcomes(counting, _total(1000, 1030, 3)) == {"counted": 1}
        assert missing(counting) == {1000: 5, 1010: 2, 1020: 1}

    @pytest.mark.parametrize(
        "later",
        [
            {"counts": [2, 4, 0]},
            {"counts": [3, 1, 1]},
            {"counts": [3, 1], "offset": 1},
            {"counts": [9, 9, 9], "scale": 4},
        ],
        ids=["a bucket", "two", "one that is not there any more", "a finer scale"],
    )
    def test_a_sketch_any_bucket_of_which_falls_began_anew(self, later) -> None:
        counting = ledger()
        sketch = {"name": "ml.column.value"}
        outcomes(counting, body({**sketch, "counts": [3, 1, 2]}, temporality=CUMULATIVE))
        second = body({**sketch, "interval": (1000, 1020), **later}, temporality=CUMULATIVE)
        assert outcomes(counting, second) == {"reset": 1}
        assert taken(counting)[M, 1010][X].count == sum(later["counts"])

    def test_the_same_buckets_at_a_finer_scale_are_others(self) -> None:
        counting = ledger()
        sketch = {"name": "ml.column.value", "counts": [1], "offset": 5}
        outcomes(counting, body({**sketch, "scale": 19}, temporality=CUMULATIVE))
        second = body({**sketch, "scale": 20, "interval": (1000, 1020)}, temporality=CUMULATIVE)
        assert outcomes(counting, second) == {"reset": 1}

    def test_a_sketch_whose_scale_falls_is_compared_at_the_coarser_one(self) -> None:
        counting = ledger()
        sketch = {"name": "ml.column.value"}
        outcomes(counting, body({**sketch, "scale": 5, "offset": 6, "counts": [1, 2, 0, 4]}, temporality=CUMULATIVE))
        later = {**sketch, "scale": 4, "offset": 2, "counts": [1, 3, 6], "interval": (1000, 1020)}
        assert outcomes(counting, body(later, temporality=CUMULATIVE)) == {"counted": 1}
        # 6 7 | 8 9 become 3 | 4, with 3 | 4 values.
        found = taken(counting)[M, 1010][X]
        assert (found.positive.indexes.tolist(), found.positive.counts.tolist()) == ([2, 4], [1, 2])

    def test_a_total_that_began_too_long_ago_counts_only_what_comes_on_top(self) -> None:
        counting = ledger()
        assert outcomes(counting, _total(1000, 1001 + WINDOW, 50)) == {"first": 1}
        assert outcomes(counting, _total(1000, 1011 + WINDOW, 53)) == {"counted": 1}
        assert missing(counting) == {1100: 3}

    def test_a_category_that_comes_late_counts_whole_since_its_model_was_known(self) -> None:
        counting = ledger()

        def totals(time: int, **values: int) -> bytes:
            points = [
                {"name": "ml.column.categories", "column": "c", "ml__category": name, "value": value}
                for name, value in values.items()
            ]
            return body(*({**point, "interval": (1000, time)} for point in points), temporality=CUMULATIVE)

        assert outcomes(counting, totals(5000, a=40)) == {"first": 1}
        assert outcomes(counting, totals(5010, a=41, b=2)) == {"counted": 2}
        assert taken(counting) == {(M, 5000): {C: CategoricalSketch({"a": 1, "b": 2})}}

    def test_a_stream_without_a_start_counts_by_its_growth(self) -> None:
        counting = ledger()
        assert outcomes(counting, _total(0, 1010, 5)) == {"first": 1}
        assert outcomes(counting, _total(0, 1020, 7)) == {"counted": 1}
        assert outcomes(counting, _total(0, 1030, 1)) == {"reset": 1}
        assert missing(counting) == {1010: 2, 1020: 1}

    def test_a_part_that_comes_later_has_its_own_extremes(self) -> None:
        counting = ledger()
        main = {"name": "ml.column.value", "scale": 3, "offset": 0}
        outcomes(counting, body({**main, "counts": [2]}, temporality=CUMULATIVE))
        taken(counting)
        request = ExportMetricsServiceRequest.FromString(
            body(
                {**main, "counts": [2], "interval": (1000, 1020), "total": 104.0},
                {**main, "offset": 53, "counts": [1], "interval": (1000, 1020), "ml__column__part": "64"},
                temporality=CUMULATIVE,
            )
        )
        for metric in request.resource_metrics[0].scope_metrics[0].metrics:
            (point,) = metric.exponential_histogram.data_points
            point.min, point.max = 1.05, 102.0
        assert outcomes(counting, request.SerializeToString()) == {"counted": 2}
        found = taken(counting)[M, 1010][X]
        assert isinstance(found, NumericSketch)
        assert (found.count, found.sum, found.max) == (1, 104.0, 102.0)
        assert found.min == pytest.approx(2 ** (53 / 8))


class TestRoom:
    def test_points_far_in_the_future_are_refused(self) -> None:
        counting = ledger(ahead=600)
        request = body({"interval": (NOW, NOW + 600)}, {"interval": (NOW, NOW + 601), "column": "y"})
        assert outcomes(counting, request) == {"counted": 1, "future": 1}

    def test_models_beyond_the_limit_are_refused_and_segments_go_with_their_model(self) -> None:
        counting = ledger(models=2)
        points = [{"model": name} for name in ("m", "n", "o")]
        assert outcomes(counting, body(*points)) == {"counted": 2, "models": 1}
        assert outcomes(counting, body({"ml__segment__hour": "1"})) == {"counted": 1}
        assert set(taken(counting)) == {(M, 1000), (Model("n"), 1000), (Model("m", "", Segment("hour", "1")), 1000)}
        assert {model for _, model in counting.shards} == {M, Model("n")}

    def test_the_same_model_in_two_services_is_two(self) -> None:
        counting = ledger()
        for name in ("shop", "desk"):
            outcomes(counting, body({}, resource={"service.name": name, "deployment.environment": "prod"}))
        found = counting.take()
        assert {service: snapshot.rows for service, (snapshot,) in found.items()} == {
            Service("", "shop", "prod"): 1,
            Service("", "desk", "prod"): 1,
        }

    @pytest.mark.parametrize("temporality", [1, 2])
    def test_streams_beyond_the_limit_are_refused_and_room_comes_back(self, temporality) -> None:
        counting = ledger(streams=3, stream_idle=50)
        points = [{"column": name} for name in "abcde"]
        assert outcomes(counting, body(*points, temporality=temporality)) == {"counted": 3, "streams": 2}
        assert counting.streams == 3
        later = [{**point, "interval": (1000 if temporality == 2 else 1010, 1020)} for point in points]
        assert outcomes(counting, body(*later, temporality=temporality)) == {"counted": 3, "streams": 2}
        counting.expire(now=NOW + 50)
        assert counting.streams == 3
        counting.expire(now=NOW + 51)
        assert (counting.streams, counting.shards) == (0, {})
        assert outcomes(counting, body(*points[3:], temporality=temporality)) == {"counted": 2}

    def test_columns_of_a_model_beyond_the_limit_are_refused(self) -> None:
        counting = ledger(columns=2)
        points = [{"column": name} for name in "abc"]
        assert outcomes(counting, body(*points, {"model": "n", "column": "c"})) == {"counted": 3, "columns": 1}

    def test_categories_beyond_the_limit_are_counted_with_the_others(self) -> None:
        counting = ledger(categories=2)
        points = [
            {"name": "ml.column.categories", "column": "c", "ml__category": name, "value": at}
            for at, name in enumerate("abcde", 1)
        ]
        assert outcomes(counting, body(*points)) == {"counted": 5}
        assert taken(counting) == {(M, 1000): {C: CategoricalSketch({"a": 1, "b": 2}, other=3 + 4 + 5)}}

    def test_columns_that_wait_to_be_taken_are_bounded(self) -> None:
        counting = ledger(open_columns=2)
        points = [{"interval": (start, start + 5)} for start in (1000, 1010, 1020)]
        assert outcomes(counting, body(*points)) == {"counted": 2, "open_columns": 1}
        assert counting.open_columns == 2
        assert missing(counting) == {1000: 1, 1010: 1}
        assert outcomes(counting, body({"interval": (1030, 1035)})) == {"counted": 1}

    def test_counts_that_a_column_cannot_hold_are_refused_and_others_go_on(self) -> None:
        counting = ledger()
        huge = {"value": 2**53 - 1}
        assert outcomes(counting, body(huge, {"column": "y"})) == {"counted": 2}
        again = {"interval": (1001, 1010)}
        assert outcomes(counting, body({**huge, **again}, {"column": "y", **again})) == {
            "overflow": 1,
            "overlapping": 1,
        }
        assert taken(counting)[M, 1000][Column("y")].missing == 2

    def test_bounds_of_all_models_together_do_not_hold_in_a_replay(self) -> None:
        counting = ledger(models=1, streams=1, open_columns=1)
        request = body({}, {"model": "n"}, {"column": "y"})
        assert set(outcomes(counting, request)) == {"counted", "models", "streams"}
        replayed = ledger(models=1, streams=1, open_columns=1)
        told = replayed.apply(Decoder(replayed._limits).decode(request), now=NOW, skip=lambda _: False)
        assert told.passed == {"counted": 3}

    def test_streams_of_categories_that_came_once_are_forgotten(self) -> None:
        counting = ledger()
        for i in range(300):
            points = [
                {
                    "name": "ml.column.categories",
                    "column": "c",
                    "ml__category": f"{i}-{k}",
                    "interval": (start, start + 10),
                }
                for k in range(20)
                for start in [1000 + STEP * i]
            ]
            outcomes(counting, body(*points))
            counting.take()
            counting.expire(now=NOW)
        assert counting.streams < 3000
        request = body(*points)
        assert outcomes(counting, request) == {"duplicate": 20}

    def test_streams_with_long_names_take_no_more_than_others(self) -> None:
        def sizes(length: int) -> int:
            counting = ledger()
            points = [
                {"name": "ml.column.categories", "column": "c", "ml__category": f"{at}".rjust(length, "x")}
                for at in range(100)
            ]
            assert outcomes(counting, body(*points)) == {"counted": 100}
            counting.take()
            return len(counting.dump((Service("", "unknown_service", ""), M)))

        assert sizes(5000) == sizes(10)


class TestResource:
    def test_what_all_replicas_share_is_told_of_their_service(self) -> None:
        counting = ledger(stream_idle=10)
        shop = Service("", "shop", "")
        shared = {"service.name": "shop", "telemetry.sdk.language": "python"}
        for at, version in enumerate("112"):
            resource = {**shared, "service.instance.id": str(at), "service.version": version}
            outcomes(counting, body({}, resource=resource), now=NOW + (10 if version == "1" else 0))
        assert counting.resource(shop) == shared
        counting.expire(now=NOW + 20)
        assert counting.resource(shop) == {**shared, "service.version": "1"}
        counting.expire(now=NOW + 100)
        assert counting.resource(shop) == {"service.name": "shop"}

    def test_resources_that_are_all_different_are_not_all_kept(self) -> None:
        counting = ledger()
        for at in range(50):
            outcomes(counting, body({}, resource={"service.name": "shop", "note": "x" * 1000 + str(at)}))
        (shard,) = counting.shards.values()
        assert len({id(writer.resource) for writer in shard.writers.values()}) <= len(shard.resources) + 1 < 10
        assert counting.resource(Service("", "shop", "")) == {"service.name": "shop"}

    @pytest.mark.parametrize("replicas", [2, 8, 9, 50])
    def test_what_replicas_share_does_not_depend_on_how_many_they_are(self, replicas: int) -> None:
        counting = ledger()
        for at in range(replicas):
            own = {"service.name": "shop", "cloud.region": "eu", "replica": str(at)}
            outcomes(counting, body({}, resource=own))
        assert counting.resource(Service("", "shop", "")) == {"service.name": "shop", "cloud.region": "eu"}


def test_a_request_of_two_replicas_of_one_model_adds_up() -> None:
    counting, request = ledger(), ExportMetricsServiceRequest()
    for host in "ab":
        add_points(request, {"value": 2}, {"name": "ml.column.value", "counts": [1, 2]}, resource={"host.name": host})
    assert outcomes(counting, request.SerializeToString()) == {"counted": 4}
    found = taken(counting)[M, 1000][X]
    assert (found.missing, found.positive.counts.tolist()) == (4, [2, 4])
