"""Configuration that a program builds is held to what files and variables are held to."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from driftmeter import ConfigError
from driftmeter.config import ColumnConfig, Config, ModelConfig, load
from driftmeter.gateway import CoreConfig, SenderConfig, ServerConfig

CLASSES = (Config, ModelConfig, ColumnConfig, CoreConfig, ServerConfig, SenderConfig)
NAMED = [(cls, key.name) for cls in CLASSES for key in fields(cls) if getattr(key.metadata.get("parse"), "keywords", 0)]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Config(distance="psy"), "distance must be one of psi, .*; got 'psy'; did you mean 'psi'?"),
        (lambda: ColumnConfig(kind="numerik"), "kind must be one of .*'numerik'; did you mean 'numeric'?"),
        (lambda: ColumnConfig(category_names="hash"), "category_names must be .*'hash'; did you mean 'hashed'?"),
        (lambda: ModelConfig(distance="wassertein"), "distance must be .*; did you mean 'wasserstein'?"),
        (lambda: Config(emit=("bin",)), "emit must be one of bins; got 'bin'; did you mean 'bins'?"),
        (lambda: Config(capture="prediction"), "capture must be .*; did you mean 'predictions'?"),
        (lambda: Config(overflow="dropp"), "overflow must be .*; did you mean 'drop'?"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(make, says) -> None:
    with pytest.raises(ConfigError, match=f"^{says}"):
        make()


@pytest.mark.parametrize(("cls", "key"), NAMED, ids=lambda part: getattr(part, "__name__", part))
def test_no_key_with_names_takes_another_one(cls, key) -> None:
    with pytest.raises(ConfigError, match=f"^{key} must be one of"):
        cls(**{key: "zzz"})


@pytest.mark.parametrize("cls", CLASSES)
def test_a_misspelled_key_is_refused_with_the_nearest(cls) -> None:
    name = next(iter(fields(cls))).name
    wrong = name[0] + name[2] + name[1] + name[3:]
    with pytest.raises(ConfigError, match=f"^{wrong} is not a key; did you mean '{name}'?"):
        cls(**{wrong: 1})


def test_a_key_that_a_copy_is_to_have_otherwise_is_refused_alike() -> None:
    with pytest.raises(ConfigError, match="alhpa is not a key; did you mean 'alpha'"):
        replace(Config(), alhpa=0.1)


def test_what_is_given_as_text_is_read_as_everywhere() -> None:
    built = Config(
        window="1h", alpha="0.01", min_rows="70", seasonal="24h, 7d", baseline="a.json, b.json", signals="no"
    )
    assert built == load(
        environ={},
        overrides={
            "window": 3600,
            "alpha": 0.01,
            "min_rows": 70,
            "seasonal": [86_400, 604_800],
            "baseline": ["a.json", "b.json"],
            "signals": False,
        },
    )
    assert (type(built.window), type(built.min_rows), built.signals) == (float, int, False)
    assert CoreConfig(drain="1m").drain == 60.0


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"window": "1x"}, "window must be a duration such as 30s, 1m or 1h; got '1x'"),
        ({"window": None}, "window must be a duration"),
        ({"alpha": "often"}, "alpha must be a number; got 'often'"),
        ({"min_rows": 1.5}, "min_rows must be a whole number; got 1.5"),
        ({"enabled": "maybe"}, "enabled must be true or false; got 'maybe'"),
        ({"models": ["m"]}, r"models must be a mapping; got \['m'\]"),
        ({"models": {"m": {"columns": {"x": {"knid": "numeric"}}}}}, r"models\.m\.columns\.x\.knid is not a key; did"),
        ({"models": {"m": ColumnConfig()}}, r"models\.m must be a mapping; got ColumnConfig"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(values, says) -> None:
    with pytest.raises(ConfigError, match=f"^{says}"):
        Config(**values)


def test_numbers_of_numpy_and_paths_are_taken() -> None:
    built = Config(min_rows=np.int64(70), alpha=np.float32(0.25), baseline=(Path("a.json"),), signals=np.bool_(False))
    assert built == Config(min_rows=70, alpha=0.25, baseline=("a.json",), signals=False)
    assert (type(built.min_rows), type(built.alpha), type(built.signals)) == (int, float, bool)
    assert Config(baseline=Path("a,b.json")).baseline == ("a,b.json",)


def test_models_are_given_as_mappings_or_as_objects_alike() -> None:
    objects = {"m": ModelConfig(min_rows=7, columns={"x": ColumnConfig(kind="numeric")})}
    mappings = {"m": {"min_rows": 7, "columns": {"x": {"kind": "numeric"}}}}
    assert Config(models=objects) == Config(models=mappings)
    assert load(environ={}, overrides={"models": objects}) == load(environ={}, overrides={"models": mappings})


def test_what_is_not_set_of_a_model_may_be_none_as_the_default_is() -> None:
    assert ColumnConfig(alpha=None, kind=None) == ColumnConfig()
    assert load(environ={}, overrides={"models": {"m": {"alpha": None}}}).of_model("m") == ModelConfig()


def test_a_configuration_can_be_copied_and_pickled() -> None:
    config = Config(window="2h", models={"m": {"columns": {"x": {"ignore": True}}}})
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == replace(config) == config
