"""Many points at once are counted as one after the other, whatever comes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from plain_ledger import PlainLedger

from driftmeter import otlp
from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._ledger import Ledger
from driftmeter.gateway.streams._limits import Limits
from driftmeter.schema import Column, Model, Segment
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot

WINDOW, STEP = 40, 8
MODELS = [Model("m"), Model("m", "", Segment("hour", "1")), Model("n", "2")]

_values = st.lists(
    st.integers(-3, 3).map(float) | st.sampled_from([0.5, 7.25, 1000.0, -999.0, 3e38, 1e-300]), min_size=1, max_size=8
)
_GROWING = [1.0, -2.0, 0.5, 1.0, 7.25, 0.0, 1000.0, 3.0]
"""So that one point may hold what another one does, and more."""
_numeric = st.builds(
    lambda values, missing, scale: (
        NumericSketch.from_values(np.array(values)).at_scale(scale).merge(NumericSketch(missing=missing))
    ),
    _values | st.integers(1, len(_GROWING)).map(lambda size: _GROWING[:size]),
    st.integers(0, 2),
    st.sampled_from([20, 19, 12, 5, 3]),
)
_categorical = st.builds(
    CategoricalSketch,
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 5), max_size=3),
    other=st.integers(0, 2),
    missing=st.integers(0, 2),
    mismatched=st.integers(0, 1),
)


@st.composite
def _parts(draw) -> bytes:
    """Return one or a few resources' points, of any interval and temporality."""
    request = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(1, 3))):
        columns = {
            Column("x"): draw(_numeric),
            Column("y", "score"): draw(_numeric),
            Column("c", kind="categorical"): draw(_categorical),
        }
        chosen = draw(st.sets(st.sampled_from(list(columns)), min_size=1))
        start = draw(st.sampled_from([0, 100, 108, 116, 190]))
        snapshot = Snapshot(
            draw(st.sampled_from(MODELS)),
            start,
            max(start, 100) + draw(st.integers(0, 60)),
            {column: sketch for column, sketch in columns.items() if column in chosen},
        )
        temporality = draw(st.sampled_from([1, 2]))
        made = otlp.to_request([({}, otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))]).resource_metrics[0]
        for metric in made.scope_metrics[0].metrics:
            data = metric.exponential_histogram if metric.HasField("exponential_histogram") else metric.sum
            data.aggregation_temporality = temporality
        made.resource.attributes.add(key="host.name").value.string_value = draw(st.sampled_from("ab"))
        request.resource_metrics.append(made)
    return request.SerializeToString()


def _ledger() -> Ledger:
    return Ledger(window=WINDOW, step=STEP, limits=Limits())


def _assert_same(ledger: Ledger, plain: PlainLedger) -> None:
    taken = {
        (snapshot.model, snapshot.start): snapshot for snapshots in ledger.take().values() for snapshot in snapshots
    }
    expected = plain.take()
    assert taken.keys() == expected.keys()
    for of, snapshot in taken.items():
        assert snapshot.columns.keys() == expected[of].columns.keys()
        for column, sketch in snapshot.columns.items():
            wanted = expected[of].columns[column]
            if isinstance(sketch, NumericSketch):
                assert np.isclose(sketch.sum, wanted.sum, rtol=1e-9, atol=1e30)
                wanted = NumericSketch(**{name: getattr(wanted, name) for name in _FIELDS}, sum=sketch.sum)
            assert sketch == wanted


_FIELDS = ("scale", "positive", "negative", "zero_count", "min", "max", "missing", "non_finite", "mismatched")


@settings(max_examples=80, deadline=None)
@given(requests=st.lists(_parts(), min_size=1, max_size=8), now=st.sampled_from([150, 1000]))
def test_many_points_at_once_are_counted_as_one_after_the_other(requests, now) -> None:
    decoder, ledger, plain = Decoder(Limits()), _ledger(), PlainLedger(window=WINDOW, step=STEP)
    outcomes: dict[str, int] = {}
    for body in requests:
        told = ledger.apply(decoder.decode(body), now=now)
        assert not told.refused
        for name, count in told.passed.items():
            outcomes[name] = outcomes.get(name, 0) + count
        plain.apply(body, now=now)
    assert outcomes == dict(plain.outcomes)
    _assert_same(ledger, plain)
