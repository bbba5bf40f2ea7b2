from __future__ import annotations

import json
import os
import stat
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftmeter import Baseline, BaselineError
from driftmeter.schema import Column, Model
from driftmeter.sketches import CategoricalSketch, NumericSketch


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "carrier": rng.choice(["UA", "DL", "é"], 500),
            "temp": rng.normal(50, 10, 500),
            "origin": rng.choice(["JFK", None], 500),
            "year": np.where(rng.random(500) < 0.01, -999.0, 2013.0),
        }
    )


def test_a_saved_baseline_comes_back_equal(frame, tmp_path) -> None:
    saved = Baseline.from_frame(
        frame,
        model="delay",
        version="7",
        kind="validation",
        predictions=["late"] * 500,
        scores={"p": np.linspace(0, 1, 500)},
        labels=np.arange(500) % 2,
        source="Q1 of 2013",
    )
    saved.save(tmp_path / "b.json")
    loaded = Baseline.load(tmp_path / "b.json")
    assert loaded.model == Model("delay", "7")
    assert (loaded.kind, loaded.created, loaded.source) == ("validation", saved.created, "Q1 of 2013")
    assert loaded.snapshot.columns.keys() == saved.snapshot.columns.keys()
    for column, sketch in loaded.snapshot.columns.items():
        original = saved.snapshot.columns[column]
        # A column that is too wide for the wire travels at a coarser scale, exactly.
        assert sketch == (original if column.kind == "categorical" else original.at_scale(sketch.scale))
    assert loaded.id == saved.id
    assert len(loaded.id) == 8


def test_a_file_of_many_blocks_is_not_held_as_a_whole_in_many_times_its_size(tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.lognormal(size=(20_000, 12)), columns=list("abcdefghijkl"))
    Baseline.from_frame(rows, model="m", block_rows=500).save(path := tmp_path / "b.json")
    Baseline.load(path)  # what is made once
    tracemalloc.start()
    try:
        loaded = Baseline.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(loaded.blocks) == 40
    # A block as text and as objects, the others in wire form: as objects all of it would take ten times as much.
    assert peak < 1.5 * path.stat().st_size


def test_features_come_back_in_the_models_order_whatever_their_kinds(frame, tmp_path) -> None:
    # The points stand numeric columns first; rows without names get the features' names by position.
    Baseline.from_frame(frame, model="delay", predictions=[1] * 500).save(tmp_path / "b.json")
    loaded = Baseline.load(tmp_path / "b.json")
    assert [column.name for column in loaded.features] == ["carrier", "temp", "origin", "year"]


def test_the_file_is_one_line_of_otlp_json_that_names_its_origin(frame, tmp_path) -> None:
    Baseline.from_frame(frame, model="delay", source="Q1").save(tmp_path / "b.json")
    text = (tmp_path / "b.json").read_text()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    scope = json.loads(text)["resourceMetrics"][0]["scopeMetrics"][0]["scope"]
    assert scope["name"] == "driftmeter"
    assert {"key": "ml.baseline.source", "value": {"stringValue": "Q1"}} in scope["attributes"]
    assert {"key": "ml.baseline.kind", "value": {"stringValue": "training"}} in scope["attributes"]


def test_the_id_does_not_depend_on_when_or_in_which_order_it_was_built() -> None:
    a = Baseline.from_frame({"x": [1, 2, 4], "c": ["a", "b", "b"]}, model="m", source="one")
    b = Baseline.from_frame({"c": ["b", "b", "a"], "x": [4, 2, 1]}, model="m", source="two")
    assert a.id == b.id
    assert a.id != Baseline.from_frame({"x": [1, 2, 4], "c": ["a", "b", "a"]}, model="m").id


def test_saving_replaces_the_file_and_leaves_nothing_else(frame, tmp_path) -> None:
    path = tmp_path / "b.json"
    path.write_text("old")
    Baseline.from_frame(frame, model="delay").save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["b.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert Baseline.load(path).model.name == "delay"


def test_a_save_that_fails_leaves_the_old_file(frame, tmp_path, monkeypatch) -> None:
    path = tmp_path / "b.json"
    path.write_text("old")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OSError, match="No space"):
        Baseline.from_frame(frame, model="delay").save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["b.json"]
    assert path.read_text() == "old"


def _one_line(error: pytest.ExceptionInfo[BaseException], path) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no columns"),
        (b"\n\n", "holds no columns"),
        (b"hello", "not JSON"),
        (b"[1, 2]", "resourceMetrics"),
        (b'"resourceMetrics"', "resourceMetrics"),
        (b'{"resourceSpans": []}', "resourceMetrics"),
        (b'{"resourceMetrics": 3}', "not OTLP JSON"),
        (b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": 3}]}]}]}', "not OTLP JSON"),
        (b'{"resourceMetrics": []}', "holds no columns"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[\n" * 200_000, "nested too deeply"),
        (b'{"resourceMetrics": ' + b"1" * 5000 + b"}", "JSON"),
        (b'{"resourceMetrics": [{"schemaUrl": "\\ud800"}]}', "JSON"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "UTF-8"),
    ],
)
def test_a_foreign_file_is_refused_in_one_line_that_names_it(content, says, tmp_path) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(content)
    with pytest.raises(BaselineError) as error:
        Baseline.load(path)
    assert says in _one_line(error, path)


def test_a_missing_file_and_a_folder_are_refused_in_one_line(tmp_path) -> None:
    with pytest.raises(BaselineError) as error:
        Baseline.load(tmp_path / "none.json")
    assert "No such file" in _one_line(error, tmp_path / "none.json")
    with pytest.raises(BaselineError) as error:
        Baseline.load(tmp_path)
    assert "directory" in _one_line(error, tmp_path)


def test_every_truncation_is_refused(frame, tmp_path) -> None:
    path = tmp_path / "b.json"
    Baseline.from_frame(frame, model="delay").save(path)
    whole = path.read_bytes()
    for length in np.linspace(1, len(whole) - 3, 60, dtype=int):
        path.write_bytes(whole[:length])
        with pytest.raises(BaselineError) as error:
            Baseline.load(path)
        _one_line(error, path)


_SMALL = Baseline.from_frame({"x": [1.0, 2.0, -3.0, 0.0], "c": ["a", "b", "b", None]}, model="m")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_never_a_crash(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("damaged") / "b.json"
    _SMALL.save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from(b'0123456789-"[]{},:.eE\\ntfabx\xff'))
    path.write_bytes(bytes(content))
    try:
        said = f"{path}: {Baseline.load(path).snapshot.rows} rows"
    except BaselineError as error:
        said = str(error)
    assert str(path) in said
    assert "\n" not in said


def test_one_of_several_models_is_taken_by_name_and_a_near_miss_is_suggested(tmp_path) -> None:
    path = tmp_path / "b.json"
    lines = []
    for name in ("delay", "cancel"):
        Baseline.from_frame({"x": [1, 2]}, model=name).save(path)
        lines.append(path.read_text())
    path.write_text("".join(lines))
    assert Baseline.load(path, model="cancel").model.name == "cancel"
    with pytest.raises(BaselineError, match="several models, name one of cancel, delay"):
        Baseline.load(path)
    with pytest.raises(BaselineError, match="no model 'delai'; did you mean 'delay'"):
        Baseline.load(path, model="delai")


def test_an_unknown_kind_in_a_file_is_refused_under_the_files_name(tmp_path) -> None:
    path = tmp_path / "b.json"
    _SMALL.save(path)
    path.write_text(path.read_text().replace('"training"', '"traning"'))
    with pytest.raises(BaselineError, match="kind must be one of training") as error:
        Baseline.load(path)
    _one_line(error, path)


def test_the_sketches_of_a_file_are_those_of_the_rows(tmp_path) -> None:
    _SMALL.save(tmp_path / "b.json")
    columns = Baseline.load(tmp_path / "b.json").snapshot.columns
    x = columns[Column("x")]
    assert x == NumericSketch.from_values(np.array([1.0, 2.0, -3.0, 0.0])).at_scale(x.scale)
    assert columns[Column("c", kind="categorical")] == CategoricalSketch({"a": 1, "b": 2}, missing=1)


_NAMED = {"ml.model.name": "m", "ml.column.name": "x", "ml.column.role": "feature"}
_KVLIST = {"kvlistValue": {"values": []}}


def _hostile(metric: str, kind: str, point: dict, *, names=None, scope=(), temporality: int = 1) -> str:
    def attributes(values):
        return [{"key": k, "value": v if isinstance(v, dict) else {"stringValue": v}} for k, v in values.items()]

    point = {"attributes": attributes({**_NAMED, **(names or {})}), **point}
    data = {"aggregationTemporality": temporality, "dataPoints": [point]}
    metrics = {"scope": {"name": "driftmeter", "attributes": attributes(dict(scope))}}
    metrics["metrics"] = [{"name": metric, kind: data}]
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [metrics]}]})


def _histogram(point: dict, **options) -> str:
    return _hostile("ml.column.value", "exponentialHistogram", {"scale": 5, "sum": 1, **point}, **options)


def _ten(**more) -> dict:
    return {"count": "10", "positive": {"offset": 0, "bucketCounts": ["10"]}, **more}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_histogram({"count": str(2**63), "zeroCount": str(2**63)}), "below 2**53"),
        (_histogram({"count": "4", "positive": {"bucketCounts": [str(2**62)] * 4 + ["4"]}}), "below 2**53"),
        (_hostile("ml.column.categories", "sum", {"asDouble": 1e300}), "below 2**53"),
        (_hostile("ml.column.missing", "sum", {"asInt": str(2**62)}), "below 2**53"),
        (_histogram(_ten(min="NaN", max=-5)), "min and max must be finite and fit"),
        (_histogram(_ten(min=2, max=1)), "min and max must be finite and fit"),
        (_histogram(_ten(min=1.5, max=1.6)), "min and max must be finite and fit"),
        (_histogram(_ten(max=0.5)), "min and max must be finite and fit"),
        (_histogram(_ten(max="Infinity")), "min and max must be finite and fit"),
        (_histogram(_ten(), names={"ml.model.name": _KVLIST}, temporality=2), "ml.model.name, a string"),
        (_histogram(_ten(), names={"ml.column.name": {"intValue": "3"}}), "ml.column.name, a string"),
    ],
)
def test_a_hostile_file_is_refused_in_one_line(text, says, tmp_path) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(BaselineError) as error:
        Baseline.load(path)
    assert says in _one_line(error, path)


def test_counts_of_many_points_are_bounded_together(tmp_path) -> None:
    path = tmp_path / "b.json"
    line = _histogram({"count": str(2**52), "zeroCount": str(2**52)})
    path.write_text(f"{line}\n")
    assert Baseline.load(path).snapshot.rows == 2**52
    path.write_text(f"{line}\n{line}\n")
    with pytest.raises(BaselineError, match=r"below 2\*\*53"):
        Baseline.load(path)


def test_an_order_of_features_that_names_none_is_passed_over(tmp_path) -> None:
    path = tmp_path / "b.json"
    names = {"arrayValue": {"values": [_KVLIST, {"stringValue": "x"}]}}
    path.write_text(_histogram(_ten(), scope={"ml.baseline.features": names}.items()))
    assert [column.name for column in Baseline.load(path).features] == ["x"]


def test_a_pipe_is_refused_before_anybody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BaselineError, match="not a regular file"):
        Baseline.load(tmp_path / "pipe")
