"""Strategies for snapshots, shared by the tests of the codec."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch, Snapshot

MODEL = Model("delay", "7")

_finite = st.floats(allow_nan=False, allow_infinity=False)
_ordinary = st.floats(1, 1000) | st.integers(-5, 5).map(float)
_values = st.lists(_ordinary | _finite | st.sampled_from([np.nan, np.inf, -999.0, 3.4e38, 1e-300]), max_size=60)
_names = st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda name: name != "__other__")
_counts = st.integers(1, 10_000)
_few = st.integers(0, 50)


@st.composite
def _numeric(draw) -> NumericSketch:
    sketch = NumericSketch.from_values(np.array(draw(_values), dtype=np.float64))
    return sketch.merge(NumericSketch(missing=draw(_few), mismatched=draw(_few)))


_categorical = st.builds(
    CategoricalSketch, st.dictionaries(_names, _counts, max_size=8), other=_few, missing=_few, mismatched=_few
)


@st.composite
def _snapshot(draw) -> Snapshot:
    columns = {}
    for name in draw(st.lists(_names, unique=True, min_size=1, max_size=4)):
        role = draw(st.sampled_from(["feature", "prediction", "score", "label"]))
        sketch = draw(_numeric() | _categorical)
        columns[Column(name, role, "numeric" if isinstance(sketch, NumericSketch) else "categorical")] = sketch
    start = draw(st.integers(0, 2**62))
    return Snapshot(MODEL, start, start + draw(st.integers(0, 2**40)), columns)


@pytest.fixture(scope="session")
def snapshots() -> st.SearchStrategy[Snapshot]:
    return _snapshot()


@pytest.fixture(scope="session")
def numeric_sketches() -> st.SearchStrategy[NumericSketch]:
    return _numeric()
