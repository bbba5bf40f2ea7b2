"""Category names that the configuration hides: no point and no event tells them, and baselines compare all the same."""

from __future__ import annotations

import numpy as np
import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality

from driftmeter import Baseline
from driftmeter.config import ColumnConfig, Config, ModelConfig
from driftmeter.exporter import Host
from driftmeter.exporter import _sdk as private
from driftmeter.recorder import Registry
from driftmeter.schema import Model
from driftmeter.sketches import Disguise
from driftmeter.tables import tabulate

SECOND = 1_000_000_000
NAMES = ["secret-AA", "secret-UA", "secret-DL"]


def _rows(count, *, p, seed=0):
    rng = np.random.default_rng(seed)
    carrier = rng.choice(NAMES, count, p=p).tolist()
    return {"carrier": carrier, "x": rng.normal(size=count)}, {"prediction": rng.choice(["secret-yes", "no"], count)}


class Served:
    """What a host sends of 2000 rows of a model whose category names are hidden."""

    def __init__(self, monkeypatch, names, *, secret="", p=(0.6, 0.3, 0.1), baseline_names=None, **config):
        columns = dict.fromkeys(("carrier", "prediction"), ColumnConfig(category_names=names))
        self.config = Config(
            window=10, step=10, category_secret=secret, models={"m": ModelConfig(columns=columns)}, **config
        )
        features, predictions = _rows(20_000, p=(0.6, 0.3, 0.1))
        if baseline_names is not None:
            features["carrier"] = [baseline_names(name) for name in features["carrier"]]
        segments = self.config.segments
        baseline = Baseline.from_frame(features, model="m", predictions=predictions, segments=segments)
        now = [1000 * SECOND]
        registry = Registry(self.config, baselines=[baseline], clock=lambda: now[0])
        host = Host(registry)
        host.add_reader("reader", AggregationTemporality.DELTA)
        self.events = []
        monkeypatch.setattr(private, "emit", self.events.extend)
        features, predictions = _rows(2000, p=p, seed=1)
        tables = [("feature", tabulate(features)), ("prediction", tabulate(predictions))]
        registry.record(registry.recorder(Model("m")), tables)
        now[0] += 10 * SECOND
        self.metrics = host.collect("reader")

    def points(self, name):
        return [point for metric in self.metrics if metric.name == name for point in metric.data.data_points]

    def said(self):
        """Return all texts that leave the process."""
        attributes = [dict(p.attributes) for metric in self.metrics for p in metric.data.data_points]
        attributes += [event.attributes for event in self.events]
        texts = [str(value) for found in attributes for value in found.values()]
        return "\n".join([*texts, *(event.body for event in self.events)])

    def distance(self, column):
        return {
            point.attributes.get("ml.segment.carrier"): point.value
            for point in self.points("ml.skew.distance")
            if point.attributes["ml.column.name"] == column
        }


@pytest.mark.parametrize("secret", ["", "pepper"])
def test_hashed_names_compare_as_plain_ones_and_only_digests_are_told(secret, monkeypatch) -> None:
    plain = Served(monkeypatch, "plain", segments=("carrier",))
    hashed = Served(monkeypatch, "hashed", secret=secret, segments=("carrier",))
    assert "secret-" in plain.said()
    assert "secret-" not in hashed.said()
    digests = {Disguise("hashed", secret).name(name): name for name in NAMES}
    assert plain.distance("x").keys() == {None, *NAMES}
    found = {digests.get(segment): value for segment, value in hashed.distance("x").items()}
    assert found == plain.distance("x")
    for column in ("carrier", "prediction"):
        assert hashed.distance(column)[None] == plain.distance(column)[None] < 0.01
    assert plain.events == hashed.events == []


def test_an_event_names_digests(monkeypatch) -> None:
    hashed = Served(monkeypatch, "hashed", p=(0.1, 0.3, 0.6))
    (event,) = [event for event in hashed.events if event.name == "ml.skew.detected"]
    assert Disguise("hashed").name("secret-DL") in event.body
    assert "secret-" not in hashed.said()


def test_a_baseline_that_was_built_from_digests_compares_too(monkeypatch) -> None:
    plain = Served(monkeypatch, "plain")
    hashed = Served(monkeypatch, "hashed", secret="pepper", baseline_names=Disguise("hashed", "pepper").name)
    assert hashed.distance("carrier") == plain.distance("carrier")


def test_of_withheld_names_nothing_is_told_compared_or_found(monkeypatch) -> None:
    withheld = Served(monkeypatch, "withheld", p=(0.1, 0.3, 0.6), segments=("carrier",))
    assert "secret-" not in withheld.said()
    assert withheld.events == []
    assert withheld.distance("carrier") == {}
    assert withheld.distance("x").keys() == {None}
    told = {
        (p.attributes["ml.column.name"], p.attributes["ml.category"]): p.value
        for p in withheld.points("ml.column.categories")
    }
    assert told == {("carrier", "__other__"): 2000, ("prediction", "__other__"): 2000}
    assert "unseen_category" not in withheld.said()
