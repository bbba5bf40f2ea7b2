from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, f

from driftmeter.stats._quadratic_form import upper_tail

TAILS = np.array([0.05, 0.01, 1e-3, 1e-4, 1e-8])


def tail(x: np.ndarray, lead: float, rest: float, freedom: float, scale_freedom: float) -> np.ndarray:
    full = {"lead": lead, "rest": rest, "freedom": freedom, "scale_freedom": scale_freedom}
    return upper_tail(x, **{name: np.full_like(x, value) for name, value in full.items()})


@pytest.mark.parametrize("freedom", [1, 3, 10, 50])
def test_equal_weights_give_the_chi_square_tail(freedom: int) -> None:
    p = tail(chi2.isf(TAILS, freedom), 1.0, 1.0, freedom - 1.0, np.inf)
    np.testing.assert_allclose(p, TAILS, rtol=0.12)


@pytest.mark.parametrize("freedom", [1, 3, 10])
@pytest.mark.parametrize("scale_freedom", [6, 30, 300])
def test_an_estimated_scale_gives_the_f_tail(freedom: int, scale_freedom: int) -> None:
    x = f.isf(TAILS, freedom, scale_freedom)
    p = tail(x, 1.0 / freedom, 1.0 / freedom, freedom - 1.0, scale_freedom)
    np.testing.assert_allclose(p, TAILS, rtol=0.16)


def test_unequal_weights_agree_with_simulation() -> None:
    rng = np.random.default_rng(0)
    draws = 0.5 * rng.chisquare(1, 400_000) + 0.08 * rng.chisquare(6, 400_000)
    ratio = draws / (rng.chisquare(20, 400_000) / 20)
    for x in (2.0, 4.0):
        arguments = (np.array([x]), 0.5, 0.08, 6.0)
        assert tail(*arguments, np.inf)[0] == pytest.approx((draws > x).mean(), rel=0.12)
        assert tail(*arguments, 20.0)[0] == pytest.approx((ratio > x).mean(), rel=0.12)


@pytest.mark.parametrize("scale_freedom", [np.inf, 9.0])
def test_the_tail_falls_from_one_to_zero(scale_freedom: float) -> None:
    x = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 2000)])
    p = tail(x, 0.5, 0.08, 6.0, scale_freedom)
    assert p[0] > 0.99
    assert p[-1] < 1e-15
    assert (np.diff(p) <= 1e-6).all()
