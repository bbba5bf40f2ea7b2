"""What is known of a model can be kept and given to another processor, which goes on as if nothing had happened."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from driftmeter import Baseline
from driftmeter.config import Config, ModelConfig
from driftmeter.processor import Processor
from driftmeter.schema import Model, Segment
from driftmeter.sketches import Snapshot

SECOND = 1_000_000_000
START = 20_000 * 86_400
CONFIG = {
    "window": 4,
    "step": 1,
    "previous_window": True,
    "seasonal": (8,),
    "learn_rows": 500,
    "models": {"a": ModelConfig(compare_with="b")},
}


def frame(rng: np.random.Generator, mean: float) -> dict:
    return {"x": rng.normal(mean, 1.0, 200), "c": rng.choice(["u", "v", "w"], 200)}


@pytest.fixture(scope="module")
def baseline_of_a() -> Baseline:
    rng = np.random.default_rng(1)
    whole = {name: np.concatenate([frame(rng, 0.0)[name] for _ in range(20)]) for name in ("x", "c")}
    return Baseline.from_frame(whole, model="a", block_rows=200)


def step(at: int) -> list[Snapshot]:
    rng = np.random.default_rng(at)
    found = []
    for model in (Model("a"), Model("a", "", Segment("c", "u")), Model("b")):
        columns = Baseline.from_frame(frame(rng, 1.0 if at > 30 else 0.0), model="m").snapshot.columns
        found.append(Snapshot(model, (START + at) * SECOND, (START + at) * SECOND + 1, columns))
    return found


def read_anew(baseline: Baseline) -> Baseline:
    return pickle.loads(pickle.dumps(baseline))


def test_a_processor_that_is_given_what_another_knew_says_what_that_one_would_have_said(baseline_of_a) -> None:
    def new() -> Processor:
        given = read_anew(baseline_of_a)
        return Processor(Config(**CONFIG), baselines=lambda model: [given] if model == Model("a") else [])

    going_on, restarted = new(), new()
    events = 0
    for at in range(50):
        told = []
        for processor in (going_on, restarted):
            processor.add(step(at))
            told.append(processor.advance((START + at + 1) * SECOND))
        assert told[0] == told[1]
        assert restarted.signals() == going_on.signals()
        events += len(told[0])
        if at % 7 == 6:
            kept = [pickle.loads(pickle.dumps(restarted.watched(Model(name)))) for name in "ab"]
            restarted = new()
            assert all(restarted.restore(watched) for watched in kept)
    assert events, "nothing turned, so nothing was compared"


def test_the_window_of_another_length_cannot_be_gone_on_with() -> None:
    processor = Processor(Config(window=4, step=1), baselines=lambda _: [])
    processor.add(step(0))
    processor.advance((START + 1) * SECOND)
    other = Processor(Config(window=8, step=1), baselines=lambda _: [])
    assert not other.restore(processor.watched(Model("a")))
    assert not other.latest()
