"""Statistics of binned counts: distances, calibrated tests, bins and corrections. Pure; arrays in, numbers out."""

from __future__ import annotations

from driftmeter.stats._distances import (
    DISTANCES,
    chi_square,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    psi,
    total_variation,
    wasserstein,
)

__all__ = [
    "DISTANCES",
    "chi_square",
    "hellinger",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "l_infinity",
    "psi",
    "total_variation",
    "wasserstein",
]
