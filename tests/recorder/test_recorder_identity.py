"""Which model an object is taken for."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.config._classes import ModelConfig
from driftmeter.recorder import Registry
from driftmeter.recorder._log_once import MAX_SAID
from driftmeter.schema import Model
from driftmeter.tables import tabulate

FLIGHTS = Baseline.from_frame(pd.DataFrame(np.ones((5, 3)), columns=list("abc")), model="flights")


class Served:
    """A model object of a class whose name is not its own."""


def _call(registry, model_object, rows, *, cls):
    """Return which model a call is told to be, and the names of its columns."""
    features = tabulate(rows)
    recorder = registry.recorder_for(model_object, default_name=cls, names=features.names, named=features.named)
    assert recorder is not None
    if not features.named:
        features = registry.with_baseline_names(features, recorder.model)
    return recorder.model.name, "".join(features.names)


@pytest.fixture
def unnamed() -> np.ndarray:
    return np.zeros((2, 3))


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(np.zeros((2, 3)), columns=list("abc"))


def test_unnamed_rows_of_a_second_class_are_another_model(unnamed, caplog) -> None:
    registry = Registry(Config(), baselines=[FLIGHTS])
    for _ in range(3):
        assert _call(registry, Served(), unnamed, cls="LinearRegression") == ("flights", "abc")
        assert _call(registry, Served(), unnamed, cls="IsolationForest") == ("IsolationForest", "f0f1f2")
    (record,) = caplog.records
    assert "model IsolationForest has no baseline" in record.getMessage()


def test_a_class_that_named_its_features_has_the_baseline_before_one_that_did_not(unnamed, frame) -> None:
    registry = Registry(Config(), baselines=[FLIGHTS])
    model = Served()
    assert _call(registry, model, frame, cls="LinearRegression") == ("flights", "abc")
    assert _call(registry, Served(), unnamed, cls="IsolationForest") == ("IsolationForest", "f0f1f2")
    assert _call(registry, model, unnamed, cls="LinearRegression") == ("flights", "abc")


def test_named_features_prove_the_model_whatever_the_class(frame) -> None:
    registry = Registry(Config(), baselines=[FLIGHTS])
    assert [_call(registry, Served(), frame, cls=cls)[0] for cls in ("A", "B")] == ["flights", "flights"]


def test_made_up_names_prove_nothing_where_the_baseline_was_built_from_an_array(unnamed) -> None:
    registry = Registry(Config(), baselines=[Baseline.from_frame(np.ones((5, 3)), model="flights")])
    assert [_call(registry, Served(), unnamed, cls=cls)[0] for cls in ("A", "B")] == ["flights", "B"]


@pytest.mark.parametrize("told", ["declared", "configured"])
def test_the_baseline_of_a_model_that_was_named_is_not_for_another_class(told, unnamed) -> None:
    config = Config(models={"flights": ModelConfig(match="Served")}) if told == "configured" else Config()
    registry = Registry(config, baselines=[FLIGHTS])
    named = Served()
    if told == "declared":
        registry.declare(named, Model("flights"))
    assert _call(registry, Served(), unnamed, cls="IsolationForest") == ("IsolationForest", "f0f1f2")
    assert _call(registry, named, unnamed, cls="Served") == ("flights", "abc")


def test_a_model_beyond_max_models_says_nothing_at_later_calls(frame, caplog) -> None:
    registry = Registry(Config(max_models=1), baselines=[FLIGHTS])
    registry.recorder(Model("first"))
    for _ in range(5):
        model = Served()
        for _ in range(5):
            assert registry.recorder_for(model, default_name="Other", names=["q"], named=True) is None
    assert len(caplog.records) == 2


def test_what_was_said_is_remembered_within_bounds(caplog) -> None:
    registry = Registry(Config())
    with caplog.at_level(logging.WARNING, "driftmeter"):
        for at in range(MAX_SAID + 50):
            registry.tell_unreadable(Model(f"m{at}"), "no rows")
    assert len(caplog.records) == len(registry._once._said) == MAX_SAID
