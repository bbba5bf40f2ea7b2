"""Calls of a model whose rows are parted: each segment has its features and all of its outputs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import driftmeter
from driftmeter.recorder import active


def test_a_second_look_at_the_same_rows_gives_outputs_to_the_segments_and_no_row_twice() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"night": rng.random(200) < 0.3, "x": rng.normal(size=200)})
    model = LogisticRegression().fit(frame, rng.random(200) < 0.5)
    driftmeter.instrument(segments=["night"])
    try:
        registry = active()
        registry.before_record = None
        rows = pd.DataFrame({"night": [True, False, True], "x": [1.0, 2.0, 3.0]})
        model.predict_proba(rows)
        model.predict(rows)
        counts = {
            snapshot.model.segment.value if snapshot.model.segment else "all": {
                column.name: sketch.total for column, sketch in snapshot.columns.items()
            }
            for snapshot in registry.take()
        }
    finally:
        driftmeter.shutdown()
    assert counts == {
        name: {"night": rows, "x": rows, "score.True": rows, "prediction": rows}
        for name, rows in {"all": 3, "True": 2, "False": 1}.items()
    }
