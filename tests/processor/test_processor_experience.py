"""What comparisons of a season have shown says how likely the next one is."""

from __future__ import annotations

import numpy as np
import pytest

from driftmeter.processor._experience import LEAST, Experience, _freedom, _median
from driftmeter.schema import Column

X, Y = Column("x"), Column("y")


def counts(shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts of a column on two bins, of which so many rows moved."""
    return np.array([[500.0 + shift, 500.0 - shift]]), np.array([[500.0, 500.0]])


def test_nothing_is_said_before_there_are_enough_comparisons() -> None:
    experience = Experience(windows=24)
    for _ in range(LEAST - 1):
        experience.note([X], *counts(5.0))
    assert np.isnan(experience.p_values([X], *counts(5.0))).all()
    experience.note([X], *counts(5.0))
    assert 0 < experience.p_values([X], *counts(5.0))[0] <= 1
    assert np.isnan(experience.p_values([Y], *counts(5.0))).all()


def test_alarms_are_as_rare_as_alpha_says_where_days_differ() -> None:
    rng = np.random.default_rng(2)
    alarms = []
    for _ in range(150):
        experience = Experience(windows=24)
        for at in range(100):
            live, baseline = counts(float(rng.normal(0.0, 60.0)))  # four times what chance moves
            if at >= 40:
                alarms.append(experience.p_values([X], live, baseline)[0] <= 0.01)
            experience.note([X], live, baseline)
    assert 0.003 < np.mean(alarms) < 0.014


def test_a_change_that_lasts_for_a_season_is_not_learned_as_usual() -> None:
    rng = np.random.default_rng(3)
    experience = Experience(windows=24)
    for _ in range(24 * 5):
        experience.note([X], *counts(float(rng.normal(0.0, 20.0))))
    found = []
    for _ in range(24):
        live, baseline = counts(150.0 + float(rng.normal(0.0, 20.0)))
        found.append(experience.p_values([X], live, baseline)[0])
        experience.note([X], live, baseline)
    assert max(found) < 0.01


@pytest.mark.parametrize("freedom", [1.0, 3.0, 20.0])
def test_the_quartiles_of_a_chi_square_give_its_degrees_of_freedom(freedom) -> None:
    draws = np.random.default_rng(4).chisquare(freedom, 400_000) / freedom
    median, quartile = np.quantile(draws, (0.5, 0.75))
    assert _freedom(float(quartile / median)) == pytest.approx(freedom, rel=0.05)
    assert _median(freedom) == pytest.approx(median, rel=0.01)
