"""Print what New Relic's scikit-learn hooks add to each call of the pipeline that calls.py watches.

Run by ``calls.py --newrelic PYTHON``, in an environment that has newrelic, scikit-learn and pandas. The agent is in its
developer mode, which sends nothing; values are recorded as events, as driftmeter sketches them. Labels are numbers,
since the hooks raise on texts.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import newrelic.agent

SETTINGS = """[newrelic]
app_name = benchmark
license_key = 0000000000000000000000000000000000000000
developer_mode = true
machine_learning.enabled = true
machine_learning.inference_events_value.enabled = true
"""
with tempfile.NamedTemporaryFile("w", suffix=".ini") as settings:
    settings.write(SETTINGS)
    settings.flush()
    newrelic.agent.initialize(settings.name)  # before what it hooks is imported

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

FEATURES = 20


def cpu_us(call: Callable[[], Any], calls: int) -> float:
    """Return the CPU microseconds that each of some calls takes."""
    for _ in range(10):
        call()
    start = time.process_time_ns()
    for _ in range(calls):
        call()
    return (time.process_time_ns() - start) / calls / 1000


def main(rounds: int) -> None:
    application = newrelic.agent.register_application(timeout=5.0)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, FEATURES))
    labels = (rows[:, 0] + rng.normal(size=1000) > 0).astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    frame = pd.DataFrame(rows, columns=[f"feature {i}" for i in range(FEATURES)])
    named = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, labels)
    cases: list[tuple[str, Callable[[], Any], int]] = [
        ("predict, 1 row, ndarray", lambda: model.predict(rows[:1]), 100),
        ("predict, 1000 rows, ndarray", lambda: model.predict(rows[:]), 20),
        ("predict, 1 row, DataFrame", lambda: named.predict(frame[:1]), 50),
        ("predict, 1000 rows, DataFrame", lambda: named.predict(frame[:]), 20),
    ]
    for name, call, calls in cases:
        plain = call()
        with newrelic.agent.BackgroundTask(application, name="watched"):
            watched = call()
        # What it returns is a proxy of its own, by which one sees that the hooks are there.
        assert type(watched) is not type(plain), type(watched)
        assert np.asarray(watched).tobytes() == plain.tobytes()
        pairs = []
        for _ in range(rounds):
            before = cpu_us(call, calls)
            with newrelic.agent.BackgroundTask(application, name="watched"):
                pairs.append((before, cpu_us(call, calls)))
        columns = (*zip(*pairs, strict=True), [after - before for before, after in pairs])
        print(f"| {name} | New Relic | " + " | ".join(f"{statistics.median(column):.0f}" for column in columns) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]))
