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
from driftmeter.stats._homogeneity import homogeneity_p_values
from driftmeter.stats._overdispersion import DesignEffect
from driftmeter.stats._proportions import excess_p_value

__all__ = [
    "DISTANCES",
    "DesignEffect",
    "chi_square",
    "excess_p_value",
    "hellinger",
    "homogeneity_p_values",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "l_infinity",
    "psi",
    "total_variation",
    "wasserstein",
]
