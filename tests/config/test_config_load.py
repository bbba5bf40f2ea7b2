from __future__ import annotations

import pytest

from driftmeter import ConfigError
from driftmeter.config import ColumnConfig, Config, ModelConfig, load, variable_name


@pytest.fixture
def sources(tmp_path):
    """Load from an environment, a YAML file's text, pyproject.toml's text and code."""

    def read(*, environ=None, yaml=None, pyproject=None, **code):
        variables = dict(environ or {})
        if yaml is not None:
            (tmp_path / "d.yaml").write_text(yaml)
            variables["DRIFTMETER_CONFIG"] = str(tmp_path / "d.yaml")
        if pyproject is not None:
            (tmp_path / "pyproject.toml").write_text(pyproject)
        return load(environ=variables, folder=tmp_path, overrides=code)

    return read


def test_without_any_source_the_defaults_hold(sources) -> None:
    assert sources() == Config()


def test_later_sources_win_key_by_key(sources) -> None:
    environ = {
        "DRIFTMETER_ALPHA": "0.01",
        "DRIFTMETER_MIN_ROWS": "1",
        "DRIFTMETER_DISTANCE": "hellinger",
        "PATH": "/bin",
    }
    environ["DRIFTMETER_MODEL_NAME"] = "delay"
    yaml = "min_rows: 2\ndistance: wasserstein\neffect_floor: 0.1\n"
    pyproject = '[tool.driftmeter]\ndistance = "l_infinity"\neffect_floor = 0.2\n[tool.other]\nwindow = "x"\n'
    config = sources(environ=environ, yaml=yaml, pyproject=pyproject, effect_floor=0.3)
    assert config == Config(model_name="delay", alpha=0.01, min_rows=2, distance="l_infinity", effect_floor=0.3)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("7d", 604800), ("90", 90), (" 1 m", 60)],
)
def test_durations_are_read_with_their_unit(text, seconds, sources) -> None:
    assert sources(environ={"DRIFTMETER_WINDOW": text}).window == seconds


@pytest.mark.parametrize(
    ("window", "step"),
    [("1h", 60), ("15m", 60), ("90", 90), ("24h", 600), ("7d", 600), ("30d", 3600), ("1m", 60), ("250ms", 0.25)],
)
def test_a_window_without_a_step_gets_one_that_divides_it(window, step, sources) -> None:
    config = sources(environ={"DRIFTMETER_WINDOW": window})
    assert config.step == step
    assert sources(window=window).step == step


def test_window_and_step_may_come_from_different_sources(sources) -> None:
    config = sources(environ={"DRIFTMETER_STEP": "2h"}, window="6h")
    assert (config.window, config.step) == (21600, 7200)
    with pytest.raises(ConfigError, match=r"step must be at most window, 3600 s; got 7200 s"):
        sources(environ={"DRIFTMETER_STEP": "2h"})
    with pytest.raises(ConfigError, match=r"window must be a multiple of step, 420 s; got 3600 s"):
        sources(step="7m")
    # A sixth of a second is no whole number of nanoseconds, and steps are.
    with pytest.raises(ConfigError, match="window must be a multiple of step"):
        sources(window=1, step=1 / 6)


def test_lists_and_truth_values_are_read_from_text(sources) -> None:
    config = sources(environ={"DRIFTMETER_BASELINE": "a.json, b.json,", "DRIFTMETER_PREVIOUS_WINDOW": "Yes"})
    assert config.baseline == ("a.json", "b.json")
    assert config.previous_window is True
    assert sources(yaml="baseline: [a.json]\nenabled: off\n") == Config(baseline=("a.json",), enabled=False)


def test_models_and_columns_are_read_from_yaml_and_toml(sources) -> None:
    wanted = Config(
        models={
            "delay": ModelConfig(
                match="Pipeline",
                version="7",
                baseline=("b.json",),
                columns={"zip": ColumnConfig(kind="categorical"), "id": ColumnConfig(ignore=True, effect_floor=0.1)},
            ),
            "other": ModelConfig(),
        }
    )
    yaml = """
models:
  delay:
    match: Pipeline
    version: 7
    baseline: b.json
    columns:
      zip: {kind: categorical}
      id: {ignore: true, effect_floor: 0.1}
  other:
"""
    toml = """
[tool.driftmeter.models.delay]
match = "Pipeline"
version = 7
baseline = "b.json"
columns = {zip = {kind = "categorical"}, id = {ignore = true, effect_floor = 0.1}}
[tool.driftmeter.models.other]
"""
    assert sources(yaml=yaml) == wanted
    assert sources(yaml="", pyproject=toml) == wanted


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("window", "soon", "window must be a duration such as 30s, 1m or 1h; got 'soon'"),
        ("window", "0", "window must be at least 0.001; got 0.0"),
        ("window", "-1h", "window must be a duration"),
        ("step", "1 week", "step must be a duration"),
        ("alpha", "0.7", "alpha must be at most 0.5; got 0.7"),
        ("alpha", "0", "alpha must be above 0; got 0.0"),
        ("alpha", "nan", "alpha must be a number; got 'nan'"),
        ("effect_floor", "2", "effect_floor must be at most 1; got 2.0"),
        ("quality_floor", "-0.1", "quality_floor must be at least 0; got -0.1"),
        ("min_rows", "0", "min_rows must be at least 1; got 0"),
        ("min_rows", "1.5", "min_rows must be a whole number; got '1.5'"),
        ("min_rows", "many", "min_rows must be a number; got 'many'"),
        ("distance", "spi", "distance must be one of psi, .*; got 'spi'; did you mean 'psi'"),
        ("overflow", "block", "overflow must be one of flush, drop; got 'block'"),
        ("enabled", "maybe", "enabled must be true or false; got 'maybe'"),
        ("previous_window", "2", "previous_window must be true or false; got '2'"),
        ("buffer_bytes", "10", "buffer_bytes must be at least 1024; got 10"),
        ("max_models", "0", "max_models must be at least 1"),
        ("max_categories", "-1", "max_categories must be at least 0"),
        ("max_points", "1e3.5", "max_points must be a number"),
    ],
)
def test_a_wrong_value_is_refused_with_source_key_rule_and_value(key, value, says, sources) -> None:
    with pytest.raises(ConfigError, match=f"^environment: {says}") as error:
        sources(environ={variable_name(key): value})
    assert "\n" not in str(error.value)


def test_every_source_is_named_in_its_errors(sources, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"d\.yaml: min_rows must be at least 1; got 0"):
        sources(yaml="min_rows: 0")
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: min_rows must be at least 1"):
        sources(pyproject="[tool.driftmeter]\nmin_rows = 0", yaml="")
    (tmp_path / "pyproject.toml").unlink()
    with pytest.raises(ConfigError, match=r"^code: min_rows must be at least 1"):
        sources(min_rows=0)


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("windw: 1h", "windw is not a key; did you mean 'window'"),
        ("models: 3", "models must be a mapping; got 3"),
        ("models: {delay: 3}", r"models\.delay must be a mapping; got 3"),
        ("models: {delay: {columns: {x: [1]}}}", r"models\.delay\.columns\.x must be a mapping; got \[1\]"),
        ("models: {delay: {basline: b}}", r"models\.delay\.basline is not a key; did you mean 'baseline'"),
        ("models: {delay: {columns: {x: {kind: numerical}}}}", r"columns\.x\.kind must be one of numeric, categorical"),
        ("models: {delay: {columns: {x: {effect_floor: 3}}}}", r"columns\.x\.effect_floor must be at most 1; got 3"),
        ("min_rows: true", "min_rows must be a number; got True"),
        ("baseline: {a: b}", "baseline must be a list of texts"),
        ("model_name: [a]", r"model_name must be a text; got \['a'\]"),
        ("- window", "must hold a mapping; got list"),
        ("{window: [", "must be YAML"),
        ("a: b: c", "must be YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_the_path_of_its_key(yaml, says, sources) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        sources(yaml=yaml)
    assert "d.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_variable_is_refused_with_the_nearest(sources) -> None:
    with pytest.raises(ConfigError, match="DRIFTMETER_WINDW is not a variable; did you mean 'DRIFTMETER_WINDOW'"):
        sources(environ={"DRIFTMETER_WINDW": "1h"})


def test_an_empty_variable_counts_as_not_set(sources) -> None:
    assert sources(environ={"DRIFTMETER_WINDOW": " ", "DRIFTMETER_CONFIG": ""}) == Config()


def test_a_missing_file_is_refused_and_a_broken_pyproject_is_none_of_our_business(sources, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"DRIFTMETER_CONFIG must name a readable file; .*none\.yaml: No such file"):
        sources(environ={"DRIFTMETER_CONFIG": str(tmp_path / "none.yaml")})
    assert sources(pyproject="[tool.driftmeter\n") == Config()


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Config().window = 3


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "9" * 400, 10**400, 0, "0.0001ms", "400d", True, None])
@pytest.mark.parametrize("key", ["window", "step"])
def test_a_duration_without_end_or_extent_is_refused(key, value, sources) -> None:
    with pytest.raises(ConfigError, match=f"code: {key} must be"):
        sources(**{key: value})


def test_a_window_has_a_bounded_number_of_steps(sources) -> None:
    assert sources(window="1024ms", step="1ms").step == 0.001
    with pytest.raises(ConfigError, match="step must be at least window / 1024"):
        sources(window="7d", step="1ms")


@pytest.mark.parametrize(("window", "step"), [("7d", 600), ("30d", 3600), ("365d", 86_400), ("51d", 86_400)])
def test_a_long_window_without_a_step_gets_a_longer_one(window, step, sources) -> None:
    assert sources(window=window).step == step


def test_a_number_beyond_float64_is_none(sources) -> None:
    with pytest.raises(ConfigError, match="alpha must be a number"):
        sources(alpha=10**400)


@pytest.mark.parametrize(
    ("yaml", "says"),
    [("1: 2\n", "1 is not a key"), ("min_rows: 2001-99-99 00:00:00\n", "must be YAML"), ("[" * 5000, "must be YAML")],
)
def test_yaml_that_is_no_configuration_is_refused(yaml, says, sources) -> None:
    with pytest.raises(ConfigError, match=says):
        sources(yaml=yaml)


def test_a_table_that_is_none_is_refused_and_a_foreign_file_passed_over(sources) -> None:
    with pytest.raises(ConfigError, match=r"pyproject.toml: tool.driftmeter must be a table; got 1"):
        sources(pyproject="[tool]\ndriftmeter = 1\n")
    assert sources(pyproject="tool = 1\n") == Config()


def test_a_model_that_is_compared_with_itself_is_refused(sources) -> None:
    with pytest.raises(ConfigError, match="another model"):
        sources(yaml="models: {m: {compare_with: m}}")
