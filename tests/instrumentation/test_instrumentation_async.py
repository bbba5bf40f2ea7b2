"""Models whose methods are coroutine functions."""

from __future__ import annotations

import asyncio
import inspect

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression

import driftmeter

ROWS = np.random.default_rng(0).normal(size=(30, 2))


class Remote(BaseEstimator):
    """Awaits something, and then asks a model that is watched too."""

    def __init__(self) -> None:
        self.line = LinearRegression().fit(ROWS, ROWS[:, 0])

    async def predict(self, rows, *, fails=False):
        await asyncio.sleep(0.01)
        if fails:
            raise LookupError("no such model")
        return await asyncio.to_thread(self.line.predict, rows)


@pytest.fixture
def model(sdk):
    sdk.watch()
    return driftmeter.monitor(Remote(), name="remote")


def test_it_stays_a_coroutine_function(model) -> None:
    assert inspect.iscoroutinefunction(model.predict)
    assert inspect.iscoroutinefunction(cloudpickle.loads(cloudpickle.dumps(model.predict)))


def test_one_span_lasts_until_it_was_awaited_and_holds_what_it_predicted(model, sdk) -> None:
    sdk.spans()
    predicted = asyncio.run(model.predict(ROWS))
    assert predicted == pytest.approx(ROWS[:, 0])
    (span,) = sdk.spans()
    assert span.name == "predict remote"
    assert span.end_time - span.start_time >= 10_000_000
    assert sdk.counts() == {"f0": 30, "f1": 30, "prediction": 30}


def test_calls_at_the_same_time_keep_their_own(model, sdk) -> None:
    async def serve() -> None:
        await asyncio.gather(*(model.predict(ROWS[:size]) for size in range(1, 11)))

    sdk.spans()
    asyncio.run(serve())
    assert sorted(span.attributes["ml.batch.size"] for span in sdk.spans()) == list(range(1, 11))
    assert sdk.counts()["prediction"] == 55


def test_an_exception_is_the_models_own_and_is_on_the_span(model, sdk) -> None:
    sdk.spans()
    with pytest.raises(LookupError, match="no such model"):
        asyncio.run(model.predict(ROWS, fails=True))
    (span,) = sdk.spans()
    assert span.attributes["error.type"] == "LookupError"
    driftmeter.shutdown()
    assert asyncio.run(model.predict(ROWS)) == pytest.approx(ROWS[:, 0])
