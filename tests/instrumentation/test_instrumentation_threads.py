"""A task in another thread is inside of the call that submitted it, or a call of its own."""

from __future__ import annotations

import asyncio
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import Pool, ThreadPool

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

import driftmeter

X = np.random.default_rng(0).normal(size=(60, 3))
MEMBER = LinearRegression().fit(X, X[:, 0])


class Ensemble(BaseEstimator):
    """Asks its members in threads, the way that it is told to."""

    def __init__(self, ask):
        self.ask = ask

    def predict(self, rows):
        return np.mean(list(self.ask(MEMBER.predict, [rows] * 9)), axis=0)


def _submit(function, batches, pool):
    return [future.result() for future in [pool.submit(function, batch) for batch in batches]]


def _apply(function, batches, pool):
    return [result.get(10) for result in [pool.apply_async(function, (batch,)) for batch in batches]]


def _chained(function, batches, pool):
    """Submit each task in the callback of the one before, as joblib does."""
    found, done = [], threading.Event()
    pending = list(batches)

    def next_one(result=None):
        if result is not None:
            found.append(result)
        if pending:
            pool.apply_async(function, (pending.pop(),), callback=next_one)
        else:
            done.set()

    next_one()
    assert done.wait(10)
    return found


EXECUTOR = {
    "submit": _submit,
    "map": lambda function, batches, pool: pool.map(function, batches),
}
THREAD_POOL = {
    "apply_async": _apply,
    "callbacks": _chained,
    "apply": lambda function, batches, pool: [pool.apply(function, (batch,)) for batch in batches],
    "map": lambda function, batches, pool: pool.map(function, batches),
    "map_async": lambda function, batches, pool: pool.map_async(function, batches).get(10),
    "imap": lambda function, batches, pool: pool.imap(function, batches),
    "imap_unordered": lambda function, batches, pool: pool.imap_unordered(function, batches),
    "starmap": lambda function, batches, pool: pool.starmap(function, [(batch,) for batch in batches]),
}
WAYS = [(ThreadPoolExecutor, way) for way in EXECUTOR.values()] + [(ThreadPool, way) for way in THREAD_POOL.values()]
IDS = [f"executor {name}" for name in EXECUTOR] + [f"pool {name}" for name in THREAD_POOL]


@pytest.mark.parametrize("lives", ["longer than the call", "for the call"])
@pytest.mark.parametrize(("make", "way"), WAYS, ids=IDS)
def test_members_asked_in_threads_are_one_call(make, way, lives, sdk) -> None:
    def in_a_pool_of_its_own(function, batches):
        with make(2) as pool:
            return list(way(function, batches, pool))

    sdk.watch()
    with make(2) as pool:
        # Its threads run before any call does.
        list(pool.map(str, range(4)))
        kept = Ensemble(lambda function, batches: way(function, batches, pool))
        ensemble = kept if lives == "longer than the call" else Ensemble(in_a_pool_of_its_own)
        for _ in range(2):
            assert ensemble.predict(X).tobytes() == np.mean([MEMBER.predict(X)] * 9, axis=0).tobytes()
    names = [span.name for span in sdk.spans()]
    assert names.count("predict Ensemble") == 2
    assert len(names) == 2 + 2  # and the two plain ones of the comparison


@pytest.mark.parametrize(("make", "way"), WAYS, ids=IDS)
def test_tasks_of_a_servers_pool_are_calls_of_their_own_even_while_its_maker_predicts(make, way, sdk) -> None:
    started, go_on = threading.Event(), threading.Event()

    class Slow(BaseEstimator):
        def predict(self, rows):
            started.set()
            assert go_on.wait(10)
            return rows[:, 0]

    sdk.watch()
    with make(2) as pool:
        list(pool.map(str, range(4)))
        maker_predicts = []

        def serve():
            assert started.wait(10)
            maker_predicts.extend(way(MEMBER.predict, [X + at for at in range(5)], pool))
            go_on.set()

        other = threading.Thread(target=serve)
        other.start()
        Slow().predict(X)
        other.join(10)
    assert len(maker_predicts) == 5
    names = [span.name for span in sdk.spans()]
    assert sorted(names) == ["predict LinearRegression"] * 5 + ["predict Slow"]


def test_a_forest_in_threads_is_one_call_and_a_users_joblib_tasks_are_each_their_own(sdk) -> None:
    forest = RandomForestClassifier(24, n_jobs=2, random_state=0).fit(X, X[:, 0] > 0)
    sdk.watch()
    forest.predict(X)
    assert [span.name for span in sdk.spans()] == ["predict RandomForestClassifier"]
    parts = np.array_split(X, 6)
    joblib.Parallel(2, backend="threading")(joblib.delayed(forest.predict)(part) for part in parts)
    assert len(sdk.spans()) == 6
    assert sdk.counts()["f0"] == 120


def test_threads_and_tasks_of_an_event_loop_are_calls_of_their_own(sdk) -> None:
    sdk.watch()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(None, MEMBER.predict, X[:at].copy()) for at in range(1, 6)]
        calls += [asyncio.to_thread(MEMBER.predict, X[:at].copy()) for at in range(1, 6)]
        await asyncio.gather(*calls)

    asyncio.run(serve())
    assert len(sdk.spans()) == 10


def test_pools_are_left_as_they_were_found(sdk) -> None:
    before = ThreadPoolExecutor.submit, dict(vars(Pool)), dict(vars(ThreadPool))
    sdk.watch()
    assert ThreadPoolExecutor.submit is not before[0]
    driftmeter.monitor(Ensemble(map), name="m")
    driftmeter.shutdown()
    assert (ThreadPoolExecutor.submit, dict(vars(Pool)), dict(vars(ThreadPool))) == before


def test_what_others_put_in_the_place_of_the_pools_methods_stays_at_the_end(sdk, monkeypatch) -> None:
    original = ThreadPoolExecutor.submit
    monkeypatch.setattr(ThreadPoolExecutor, "submit", original)  # put back after the test
    sdk.watch()
    Ensemble(map).predict(X)
    ours = ThreadPoolExecutor.submit
    assert ours is not original

    @functools.wraps(ours)
    def theirs(self, fn, /, *args, **kwargs):
        return ours(self, fn, *args, **kwargs)

    ThreadPoolExecutor.submit = theirs
    driftmeter.shutdown()
    assert ThreadPoolExecutor.submit is theirs
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(sum, [1, 2]).result() == 3
