"""Which model an object is taken for."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from driftmeter import Baseline
from driftmeter.config import Config
from driftmeter.config._classes import ModelConfig
from driftmeter.recorder import Identity, Registry, digest_of
from driftmeter.recorder._log_once import MAX_SAID
from driftmeter.schema import Model
from driftmeter.tables import tabulate

FLIGHTS = Baseline.from_frame(pd.DataFrame(np.ones((5, 3)), columns=list("abc")), model="flights")


class Served:
    """A model object of a class whose name is not its own."""


def _recorder(registry, model_object, identity, features, *, served=None):
    bound = registry.bind(model_object, identity=identity, names=features.names, named=features.named, served=served)
    assert bound.recorder is not None
    return bound.recorder


def _call(registry, model_object, rows, *, cls):
    """Return which model a call is told to be, and the names of its columns."""
    features = tabulate(rows)
    recorder = _recorder(registry, model_object, Identity(cls), features)
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
            assert registry.bind(model, identity=Identity("Other"), names=["q"], named=True).recorder is None
    assert len(caplog.records) == 2


def test_what_was_said_is_remembered_within_bounds(caplog) -> None:
    registry = Registry(Config())
    with caplog.at_level(logging.WARNING, "driftmeter"):
        for at in range(MAX_SAID + 50):
            registry.tell_unreadable(Model(f"m{at}"), "no rows")
    assert len(caplog.records) == len(registry._once._said) == MAX_SAID


ABC, XYZ = tabulate(pd.DataFrame(np.zeros((2, 3)), columns=list("abc"))), tabulate({"x": [1.0], "y": [1.0], "z": [1.0]})


def _model(registry, identity, features=ABC, *, served=None):
    """Return which model a new object is, and the names of the models that its baselines were built for."""
    model = _recorder(registry, Served(), identity, features, served=served).model
    return model, [baseline.model.name for baseline in registry.baselines(model)]


@pytest.mark.parametrize(
    ("features", "lent"),
    [
        (ABC, ["flights"]),
        (XYZ, []),
        (tabulate(np.zeros((2, 3))), ["flights"]),
        (tabulate(np.zeros((2, 2))), []),
    ],
)
def test_a_name_and_version_of_its_own_are_kept_whatever_baselines_there_are(features, lent, caplog) -> None:
    registry = Registry(Config(), baselines=[FLIGHTS])
    assert _model(registry, Identity("Session", "delay", "8"), features) == (Model("delay", "8"), lent)
    assert len(caplog.records) == (not lent)


def test_a_baseline_of_its_very_name_is_the_models_before_one_that_has_its_features() -> None:
    other = Baseline.from_frame(pd.DataFrame(np.ones((5, 2)), columns=list("pq")), model="delay")
    registry = Registry(Config(), baselines=[FLIGHTS, other])
    assert _model(registry, Identity("Session", "delay", "8")) == (Model("delay", "8"), ["delay"])


def test_a_baseline_of_its_version_is_the_models_before_one_without() -> None:
    rows = pd.DataFrame(np.ones((5, 3)), columns=list("abc"))
    baselines = [Baseline.from_frame(rows, model="delay", version=version) for version in ("", "7", "8")]
    registry = Registry(Config(), baselines=baselines)
    for version, wanted in {"7": "7", "8": "8", "9": ""}.items():
        model, _ = _model(registry, Identity("Session", "delay", version))
        assert model == Model("delay", version)
        assert [baseline.model.version for baseline in registry.baselines(model)] == [wanted]


def test_a_version_without_a_name_tells_models_apart_that_have_the_name_of_a_baseline() -> None:
    registry = Registry(Config(), baselines=[FLIGHTS])
    found = [_model(registry, Identity("Session", version=version)) for version in ("1f", "2e")]
    assert found == [(Model("flights", "1f"), ["flights"]), (Model("flights", "2e"), ["flights"])]


def test_a_model_that_has_anothers_baseline_has_its_columns_names(unnamed) -> None:
    registry = Registry(Config(), baselines=[FLIGHTS])
    features = tabulate(unnamed)
    model, _ = _model(registry, Identity("Session", "delay", "8"), features)
    assert registry.with_baseline_names(features, model).names == ("a", "b", "c")


def test_a_baseline_that_comes_later_is_that_of_all_versions_without_one_of_their_own() -> None:
    registry = Registry(Config())
    recorder = _recorder(registry, Served(), Identity("Session", "flights", "8"), ABC)
    registry.add_baseline(Baseline.from_frame({"a": ["1"], "b": ["2"], "c": ["3"]}, model="flights"))
    recorder.record([("feature", ABC)])
    (snapshot,) = recorder.take()
    assert {column.kind for column in snapshot.columns} == {"categorical"}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (Config(model_name="mine"), Model("mine", "8")),
        (Config(model_name="mine", model_version="9"), Model("mine", "9")),
        (Config(model_version="9"), Model("delay", "9")),
        (Config(models={"mine": ModelConfig(match="delay")}), Model("mine", "8")),
        (Config(models={"delay": ModelConfig(version="9")}), Model("delay", "9")),
        (Config(models={"mine": ModelConfig(match="Session")}), Model("delay", "8")),
    ],
)
def test_the_configuration_wins_over_what_a_model_bears(config, told) -> None:
    registry = Registry(config, baselines=[FLIGHTS])
    assert _model(registry, Identity("Session", "delay", "8"))[0] == told
    assert registry.model_of(Served(), Identity("Session", "delay", "8")) == told


def test_models_that_are_lent_a_baseline_are_remembered_within_bounds() -> None:
    registry = Registry(Config(max_models=3), baselines=[FLIGHTS])
    for at in range(9):
        registry.bind(Served(), identity=Identity("Session", "delay", str(at)), names=ABC.names, named=True)
    assert len(registry._identities._lent) == 3


def test_a_model_that_bears_a_name_is_not_called_as_the_server_calls_it() -> None:
    registry = Registry(Config())
    served = Model("Service", "2")
    assert _model(registry, Identity("Session", "delay"), served=served)[0] == Model("delay")
    assert _model(registry, Identity("Session", version="1f"), served=served)[0] == Model("Service", "2")


def test_a_baselines_name_comes_before_the_servers_and_the_servers_version_is_kept() -> None:
    registry = Registry(Config(), baselines=[FLIGHTS])
    assert _model(registry, Identity("Tree"), served=Model("Service", "2"))[0] == Model("flights", "2")
    assert _model(registry, Identity("Tree"), XYZ, served=Model("Service", "2"))[0] == Model("Service", "2")


def test_names_that_servers_tell_are_remembered_within_bounds() -> None:
    registry = Registry(Config(max_models=3))
    for at in range(9):
        registry.bind(Served(), identity=Identity("Tree"), names=["a"], named=True, served=Model("Multi", str(at)))
    assert len(registry._identities._served) == 3


def test_a_model_whose_version_is_not_known_has_the_only_versions_baseline() -> None:
    rows = pd.DataFrame(np.ones((5, 3)), columns=list("abc"))
    baselines = [Baseline.from_frame(rows, model="delay", version=version) for version in ("7", "8")]
    for known, found in ((1, ["7"]), (2, [])):
        registry = Registry(Config(), baselines=baselines[:known])
        assert [baseline.model.version for baseline in registry.baselines(Model("delay"))] == found


def test_models_of_one_class_that_were_trained_on_other_things_are_two() -> None:
    registry = Registry(Config())
    first, second = (Identity("Pipeline", trained_on=digest) for digest in ("a1", "b2"))
    assert [_model(registry, one)[0] for one in (first, second, first)] == [
        Model("Pipeline", "a1"),
        Model("Pipeline", "b2"),
        Model("Pipeline", "a1"),
    ]


def test_what_a_model_was_trained_on_is_no_version_of_one_that_has_a_name() -> None:
    plain = Identity("Pipeline", trained_on="a1")
    named = Config(models={"delay": ModelConfig(match="Pipeline")})
    assert _model(Registry(named), plain)[0] == Model("delay")
    assert _model(Registry(Config(model_name="delay")), plain)[0] == Model("delay")
    assert _model(Registry(Config(model_version="7")), plain)[0] == Model("Pipeline", "7")
    assert _model(Registry(Config(), baselines=[FLIGHTS]), plain)[0] == Model("flights")
    assert _model(Registry(Config()), plain, served=Model("Service"))[0] == Model("Service")
    assert _model(Registry(Config()), Identity("Booster", "delay", trained_on="a1"))[0] == Model("delay")
    called_so = Baseline.from_frame(pd.DataFrame(np.ones((5, 2)), columns=list("xy")), model="Pipeline")
    assert _model(Registry(Config(), baselines=[called_so]), plain)[0] == Model("Pipeline")


def test_a_digest_is_of_facts_whatever_holds_them() -> None:
    assert digest_of(None, None) == ""
    assert digest_of(["a", "b"], np.array([0, 1])) == digest_of(("a", "b"), [0, 1])
    assert digest_of([np.array(["x", "y"]), np.array([0, 1])]) == digest_of([["x", "y"], [0, 1]])
    assert len({digest_of(facts) for facts in (["a"], ["b"], 1, [1], ["1"])}) == 5
    assert digest_of(["a", "b"], None) == "62504188ac66"
