"""A model that bears no name is called as the server calls it, by the first request that it answers."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import driftmeter
from driftmeter.instrumentation.servers import Served, served

X = np.random.default_rng(0).normal(size=(60, 3))


@pytest.fixture
def models():
    return [LinearRegression().fit(X, X[:, at]) for at in range(2)], LogisticRegression().fit(X, X[:, 0] > 0)


def _names(sdk):
    return [span.name for span in sdk.spans() if "ml.model.framework" in span.attributes]


def test_two_served_models_of_one_class_never_share_a_sketch(models, sdk) -> None:
    sdk.watch()

    async def answer(name, model):
        with served(Served("kserve", name, version="3", asked_version="9")):
            await asyncio.sleep(0.01)
            return model.predict(X)

    async def both():
        await asyncio.gather(*(answer(name, model) for name, model in zip(("delay", "churn"), models[0], strict=True)))

    asyncio.run(both())
    points = sdk.collect(sdk.cumulative)["ml.prediction.rows"]
    assert {(p.attributes["ml.model.name"], p.attributes["ml.model.version"]): p.value for p in points} == {
        ("delay", "3"): 60,
        ("churn", "3"): 60,
    }


def test_a_version_that_a_client_asks_for_is_on_the_requests_span_alone(models, sdk) -> None:
    sdk.watch()
    with served(Served("kserve", "delay", asked_version="9")):
        models[1].predict(X)
    call, request = sdk.spans()
    assert call.attributes["ml.model.name"] == "delay"
    assert "ml.model.version" not in call.attributes
    assert request.attributes["ml.model.version"] == "9"


def test_the_name_is_that_of_the_first_request_from_then_on(models, sdk) -> None:
    sdk.watch()
    for name in ("delay", "other"):
        with served(Served("bentoml", name)):
            models[1].predict(X)
    models[1].predict(X.copy())
    assert _names(sdk) == ["predict delay"] * 3


def test_a_model_of_another_class_in_the_same_request_keeps_its_own(models, sdk, caplog) -> None:
    sdk.watch()
    for _ in range(2):
        with served(Served("bentoml", "Delay")):
            models[0][0].predict(X)
            models[1].predict(X)
    assert _names(sdk) == ["predict Delay", "predict LogisticRegression"] * 2
    (record,) = caplog.records
    assert "LinearRegression is called like that, and LogisticRegression is not" in record.getMessage()


def test_what_the_program_or_the_configuration_says_wins(models, sdk) -> None:
    sdk.watch(models={"Delay": {"version": "5"}, "mine": {"match": "LogisticRegression"}})
    named = driftmeter.monitor(models[0][0], name="named")
    with served(Served("bentoml", "Delay")):
        named.predict(X)
        models[0][1].predict(X)
        models[1].predict(X)
    calls = [span for span in sdk.spans() if "ml.model.framework" in span.attributes]
    assert [(span.name, span.attributes.get("ml.model.version")) for span in calls] == [
        ("predict named", None),
        ("predict Delay", "5"),
        ("predict mine", None),
    ]
