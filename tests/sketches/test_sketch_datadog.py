"""To Datadog's sketches and back."""

from __future__ import annotations

import numpy as np
import pytest
from ddsketch import DDSketch
from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import CubicallyInterpolatedMapping
from ddsketch.pb.ddsketch_pb2 import DDSketch as Message
from ddsketch.pb.proto import DDSketchProto
from ddsketch.store import DenseStore
from sketch_distributions import DISTRIBUTIONS

from driftmeter.sketches import NumericSketch, from_ddsketch, to_ddsketch


def sketch_of(name: str, size: int = 2_000) -> NumericSketch:
    return NumericSketch.from_values(DISTRIBUTIONS[name][0](np.random.default_rng(1), size))


def through_protobuf(sketch: BaseDDSketch) -> Message:
    return Message.FromString(DDSketchProto.to_proto(sketch).SerializeToString())


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_there_and_back_nothing_changes(name: str) -> None:
    sketch = sketch_of(name)
    converted = to_ddsketch(sketch)
    back = from_ddsketch(converted)
    assert converted.count == back.count == sketch.count
    assert back == sketch.at_scale(back.scale)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_through_datadogs_protobuf_no_count_changes(name: str) -> None:
    sketch = sketch_of(name)
    message = through_protobuf(to_ddsketch(sketch))
    for back in (from_ddsketch(message), from_ddsketch(DDSketchProto.from_proto(message))):
        expected = sketch.at_scale(back.scale)
        assert (back.positive, back.negative, back.zero_count) == (
            expected.positive,
            expected.negative,
            expected.zero_count,
        )
        assert back.min <= back.quantile(0.5) <= back.max


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if "3.4e38" not in name and "1e-300" not in name])
def test_quantiles_agree_with_a_ddsketch_of_the_same_gamma(name: str) -> None:
    values = DISTRIBUTIONS[name][0](np.random.default_rng(2), 1_000)
    converted = to_ddsketch(NumericSketch.from_values(values))
    filled = BaseDDSketch(converted._mapping, DenseStore(), DenseStore(), 0.0)
    for value in values.tolist():
        filled.add(value)
    ours = from_ddsketch(converted)
    for q in (0.01, 0.25, 0.5, 0.75, 0.99):
        # Datadog's logarithm is another one: a value on a boundary may be one bucket further.
        assert ours.quantile(q) == pytest.approx(filled.get_quantile_value(q), rel=2.0**-ours.scale)
        assert ours.quantile(q) == pytest.approx(converted.get_quantile_value(q), rel=2.0 ** -(ours.scale + 1))


def test_a_sentinel_far_away_does_not_fill_the_memory() -> None:
    converted = to_ddsketch(sketch_of("year or 3.4e38"))
    assert len(converted._store.bins) <= (1 << 16) + 256
    assert converted.count == 2_000


def test_a_ddsketch_of_any_gamma_keeps_its_counts_and_accuracy() -> None:
    values = np.random.default_rng(3).lognormal(0, 2, 3_000)
    theirs = DDSketch(0.01)
    for value in values:
        theirs.add(value)
        theirs.add(-value)
    theirs.add(0)
    ours = from_ddsketch(theirs)
    assert ours.count == theirs.count
    assert (ours.zero_count, ours.positive.total, ours.negative.total) == (1, 3_000, 3_000)
    assert (ours.sum, ours.min, ours.max) == (theirs.sum, -values.max(), values.max())
    for q in (0.6, 0.75, 0.9, 0.99):
        assert ours.quantile(q) == pytest.approx(np.quantile(np.r_[values, -values, 0], q), rel=0.03)


def test_sparse_bins_of_a_message_count() -> None:
    message = through_protobuf(to_ddsketch(NumericSketch.from_values(np.array([1.5, 1.5, 3.0]))))
    message.positiveValues.binCounts[message.positiveValues.contiguousBinIndexOffset] = 4
    assert from_ddsketch(message).count == 7


def test_an_empty_sketch_stays_empty() -> None:
    assert from_ddsketch(to_ddsketch(NumericSketch())) == NumericSketch()


def test_interpolated_mappings_and_fractional_counts_are_refused() -> None:
    cubic = BaseDDSketch(CubicallyInterpolatedMapping(0.01), DenseStore(), DenseStore(), 0.0)
    with pytest.raises(ValueError, match="must be logarithmic"):
        from_ddsketch(cubic)
    weighted = DDSketch(0.01)
    weighted.add(1.0, weight=0.5)
    with pytest.raises(ValueError, match="whole numbers"):
        from_ddsketch(weighted)
