"""Train the demo's model and write it down, with its baseline beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import joblib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from driftmeter.baseline import Baseline
from driftmeter.demo._flights import CATEGORICAL, FEATURES, Flights

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_NAME: Final = "flight-delay"
MODEL_VERSION: Final = "1"
LABELS: Final = ("on time", "late")


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model, and where it and its baseline are stored."""

    model: Any
    model_path: Path
    baseline_path: Path
    rows: int


def train(flights: Flights, *, folder: Path) -> Trained:
    """Fit a model on flights, and save it and the baseline of the same flights into a folder.

    The model learns from the flights that arrived. The baseline holds all of them, cancelled ones too, as the model
    will be asked about each flight before anybody knows whether it will fly.
    """
    # One thread: with two cores and other work on them, the trees' threads wait for each other ten times longer.
    with threadpool_limits(1):
        model = fit(flights)
        predicted = model.predict(flights.features)
    model_path, baseline_path = folder / "flight-delay.joblib", folder / "flight-delay.baseline.json"
    joblib.dump(model, model_path)
    baseline = Baseline.from_frame(
        flights.features,
        model=MODEL_NAME,
        version=MODEL_VERSION,
        predictions={"prediction": predicted},
        source=f"{len(flights):,} flights, {describe(flights)}",
        # A week's flights share some 170 hours of weather: how weeks differ anyway is not drift.
        time=flights.scheduled,
        block="7d",
    )
    baseline.save(baseline_path)
    return Trained(model, model_path, baseline_path, len(flights))


def fit(flights: Flights) -> Any:
    """Fit a pipeline that says 'late' or 'on time'.

    Gradient-boosted trees take missing values as they come, so the gaps of the weather records stay gaps.
    """
    known = flights.late.notna().to_numpy()
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    model = Pipeline(
        [
            ("encode", ColumnTransformer([("codes", codes, list(CATEGORICAL))], remainder="passthrough")),
            (
                "classify",
                HistGradientBoostingClassifier(
                    categorical_features=_positions(CATEGORICAL, FEATURES),
                    class_weight="balanced",
                    max_iter=60,
                    random_state=0,
                ),
            ),
        ]
    )
    labels = np.array(LABELS)[flights.late[known].to_numpy().astype(int)]
    return model.fit(flights.features[known], labels)


def _positions(names: Sequence[str], order: Sequence[str]) -> list[int]:
    return [order.index(name) for name in names]


def describe(flights: Flights) -> str:
    """Return the flights' days: ``'2013-01-01/2013-02-28'``."""
    return f"{flights.scheduled.iloc[0]:%Y-%m-%d}/{flights.scheduled.iloc[-1]:%Y-%m-%d}"
