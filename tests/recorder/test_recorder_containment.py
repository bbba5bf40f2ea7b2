"""What cannot be sketched costs no other column and no other model its rows."""

from __future__ import annotations

import pytest

from driftmeter.config import Config
from driftmeter.recorder import ModelRecorder, Registry, guard
from driftmeter.schema import Model
from driftmeter.tables import tabulate


class Unprintable:
    """A category that has no name."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.fixture
def registry(monkeypatch) -> Registry:
    """A registry whose own errors are swallowed, as outside of pytest."""
    monkeypatch.setattr(guard, "raises", False)
    monkeypatch.setattr(guard, "swallowed", 0)
    return Registry(Config(buffer_bytes=1024))


def _record(registry, model: str, columns) -> None:
    registry.recorder(Model(model)).record([("feature", tabulate(columns))])


def _totals(registry) -> dict[str, dict[str, int]]:
    return {s.model.name: {c.name: sketch.total for c, sketch in s.columns.items()} for s in registry.take()}


@pytest.mark.parametrize("rows", [3, 300], ids=["sketched at a collection", "sketched as the buffer fills"])
def test_a_bad_column_leaves_the_others_and_its_rows_count_as_dropped(rows, registry) -> None:
    good = {"x": [1.0] * rows, "d": ["u"] * rows}
    _record(registry, "bad", good | {"c": [Unprintable()] * rows})
    _record(registry, "good", good)
    told = _totals(registry)
    assert told["good"] == {"x": rows, "d": rows}
    assert (told["bad"]["x"], told["bad"]["d"]) == (rows, rows)
    assert registry.dropped_rows() == {Model("bad"): rows}


def test_a_model_that_cannot_be_taken_leaves_the_others(registry, monkeypatch) -> None:
    for model in ("first", "bad", "last"):
        _record(registry, model, {"x": [1.0]})
    take = ModelRecorder.take

    def planted(self):
        if self.model.name == "bad":
            raise RuntimeError("planted")
        return take(self)

    monkeypatch.setattr(ModelRecorder, "take", planted)
    assert set(_totals(registry)) == {"first", "last"}
    assert guard.swallowed == 1
