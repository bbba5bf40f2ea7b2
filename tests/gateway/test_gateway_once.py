"""Each observation counts once, whatever happens to requests on their way."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import AggregationTemporality
from true_streams import (
    STEP,
    WINDOW,
    World,
    encode_request,
    joined,
    one_by_one,
    parted,
    worlds,
    worlds_of_failed_exports,
)

from driftmeter import otlp
from driftmeter.exporter._streams import Stream
from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._ledger import Ledger
from driftmeter.gateway.streams._limits import Limits
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot, merge_snapshots

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
NOW = 20_000


def _ledger() -> Ledger:
    return Ledger(window=WINDOW, step=STEP, limits=Limits())


def _count(requests: list[bytes], ledger: Ledger | None = None) -> list[Snapshot]:
    ledger, decoder = ledger or _ledger(), Decoder(Limits())
    for body in requests:
        received = decoder.decode(body)
        assert received.rest is None
        outcomes = ledger.apply(received, now=NOW)
        assert not outcomes.refused
        assert sum(outcomes.passed.values()) == received.points
    return [snapshot for snapshots in ledger.take().values() for snapshot in snapshots]


def _totals(snapshots: list[Snapshot]) -> dict[Model, Snapshot]:
    by_model: dict[Model, list[Snapshot]] = {}
    for snapshot in snapshots:
        by_model.setdefault(snapshot.model, []).append(snapshot)
    return {model: merge_snapshots(parts) for model, parts in by_model.items()}


def _assert_alike(counted: Snapshot, observed: Snapshot) -> None:
    """Assert that all is the same, at the coarser of the scales, but for extremes within a bucket."""
    assert counted.columns.keys() == observed.columns.keys()
    for column, found in counted.columns.items():
        wanted = observed.columns[column]
        if isinstance(found, CategoricalSketch):
            assert found == wanted
            continue
        assert isinstance(found, NumericSketch)
        assert found.total == wanted.total
        scale = min(found.scale, wanted.scale)
        a, b = found.at_scale(scale), wanted.at_scale(scale)
        assert (a.positive, a.negative, a.zero_count, a.missing) == (b.positive, b.negative, b.zero_count, b.missing)
        assert a.sum == pytest.approx(b.sum)
        width = 2**2.0**-scale - 1
        assert np.allclose([a.min, a.max], [b.min, b.max], rtol=1.01 * width, equal_nan=True)


def _assert_counted_once(counted: list[Snapshot], world: World) -> None:
    found, observed = _totals(counted), world.totals()
    assert found.keys() == observed.keys()
    for model, snapshot in found.items():
        _assert_alike(snapshot, observed[model])


def _on_its_way(draw, world: World) -> list[bytes]:
    """Return what arrives: requests in parts, out of order, some of them more than once, some joined."""
    parts = [part for body in world.requests for part in parted(draw, body)]
    sent_again = draw(st.lists(st.sampled_from(parts), max_size=4))
    return joined(draw, draw(st.permutations([*parts, *sent_again])))


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE], ids=["delta", "cumulative"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_each_observation_counts_once_in_whatever_order_and_however_often_it_comes(temporality, data) -> None:
    world = data.draw(worlds(temporality=temporality))
    _assert_counted_once(_count(_on_its_way(data.draw, world)), world)


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE], ids=["delta", "cumulative"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_comes_in_order_lands_in_the_step_that_it_was_observed_in(temporality, data) -> None:
    world = data.draw(worlds(temporality=temporality))
    counted = _count([part for body in world.requests for part in parted(data.draw, body)])
    assert {(snapshot.model, snapshot.start) for snapshot in counted} == world.by_step.keys()
    for snapshot in counted:
        assert snapshot.end == snapshot.start + STEP
        _assert_alike(snapshot, merge_snapshots(world.by_step[snapshot.model, snapshot.start]))


def test_the_sum_of_a_sketch_in_parts_counts_also_where_its_parts_came_before() -> None:
    stream, requests = Stream(CUMULATIVE, start=10_006), []
    for now, values in ((10_011, [-1.0, 4.0]), (10_016, [0.75, 1.5, 1000.0])):
        columns = {Column("x"): NumericSketch.from_values(np.array(values))}
        stream.add([Snapshot(Model("m"), 10_006, now, columns)])
        requests.append(one_by_one(encode_request(stream.collect(now, limit=1000), replica=0)))
    (earlier,), (main, *others) = requests
    (total,) = _totals(_count([*others, earlier, main])).values()
    assert others
    assert (total.columns[Column("x")].total, total.columns[Column("x")].sum) == (5, 1005.25)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_a_sender_adds_to_an_export_that_seems_to_have_failed_counts_once(data) -> None:
    world = data.draw(worlds_of_failed_exports())
    parts = [part for body in world.requests for part in parted(data.draw, body)]
    again = data.draw(st.lists(st.sampled_from(parts), max_size=4))
    _assert_counted_once(_count(joined(data.draw, [*parts, *again])), world)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_it_never_counts_twice_in_whatever_order_it_comes_and_what_is_lost_is_told(data) -> None:
    world = data.draw(worlds_of_failed_exports())
    ledger, decoder, outcomes = _ledger(), Decoder(Limits()), Counter[str]()
    for body in _on_its_way(data.draw, world):
        outcomes.update(ledger.apply(decoder.decode(body), now=NOW).passed)
    counted, observed = _totals(_count([], ledger)), world.totals()
    for model, snapshot in counted.items():
        for column, sketch in snapshot.columns.items():
            assert sketch.total <= observed[model].columns[column].total
    if not outcomes["undecided"]:
        _assert_counted_once(list(counted.values()), world)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_delta_points_are_merged_as_their_sketches_are(data) -> None:
    world = data.draw(worlds(temporality=DELTA))
    (wanted, counted) = _totals(otlp.snapshots(world.requests)), _totals(_count(world.requests))
    assert counted.keys() == wanted.keys()
    for model, snapshot in counted.items():
        assert snapshot.columns == {name: sketch for name, sketch in wanted[model].columns.items() if sketch.total}


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE], ids=["delta", "cumulative"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_state_that_is_kept_and_taken_on_again_changes_nothing(temporality, data) -> None:
    world = data.draw(worlds(temporality=temporality))
    requests = _on_its_way(data.draw, world)
    at = data.draw(st.integers(0, len(requests)))
    first, taken = _ledger(), []
    decoder = Decoder(Limits())
    for body in requests[:at]:
        first.apply(decoder.decode(body), now=NOW)
    if data.draw(st.booleans()):
        taken += [snapshot for snapshots in first.take().values() for snapshot in snapshots]
    second = _ledger()
    for key in first.shards:
        second.load(key, first.dump(key))
    assert second.streams == first.streams
    taken += _count(requests[at:], second)
    _assert_counted_once(taken, world)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_replay_leaves_out_the_models_whose_state_has_it(data) -> None:
    world = data.draw(worlds(temporality=data.draw(st.sampled_from([DELTA, CUMULATIVE]))))
    first, decoder = _ledger(), Decoder(Limits())
    at = data.draw(st.integers(0, len(world.requests)))
    for body in world.requests[:at]:
        first.apply(decoder.decode(body), now=NOW)
    kept = {key: first.dump(key) for key in first.shards if data.draw(st.booleans())}
    second = _ledger()
    for key, state in kept.items():
        second.load(key, state)
    for body in world.requests[:at]:
        second.apply(decoder.decode(body), now=NOW, skip=kept.__contains__)
    _assert_counted_once(_count(world.requests[at:], second), world)
