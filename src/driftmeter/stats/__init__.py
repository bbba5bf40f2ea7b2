"""Statistics of binned counts: distances, calibrated tests, bins and corrections. Pure; arrays in, numbers out."""

from __future__ import annotations

from driftmeter.stats._bins import (
    ROWS_PER_BIN,
    CategoryCuts,
    bin_count,
    bin_counts,
    category_groups,
    equal_mass_groups,
)
from driftmeter.stats._block_means import BlockMeans, block_mean_p_values, winsor_limits
from driftmeter.stats._block_ratios import BlockRates, excess_among_blocks_p_value
from driftmeter.stats._distances import (
    DISTANCES,
    chi_square,
    distances,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    psi,
    total_variation,
    wasserstein,
)
from driftmeter.stats._effect import moved_share
from driftmeter.stats._homogeneity import homogeneity_p_values
from driftmeter.stats._multiplicity import benjamini_hochberg
from driftmeter.stats._overdispersion import DesignEffect, estimate_design_effect
from driftmeter.stats._proportions import excess_p_value
from driftmeter.stats._sparse_bins import sparse_bins_p_values

__all__ = [
    "DISTANCES",
    "ROWS_PER_BIN",
    "BlockMeans",
    "BlockRates",
    "CategoryCuts",
    "DesignEffect",
    "benjamini_hochberg",
    "bin_count",
    "bin_counts",
    "block_mean_p_values",
    "category_groups",
    "chi_square",
    "distances",
    "equal_mass_groups",
    "estimate_design_effect",
    "excess_among_blocks_p_value",
    "excess_p_value",
    "hellinger",
    "homogeneity_p_values",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "l_infinity",
    "moved_share",
    "psi",
    "sparse_bins_p_values",
    "total_variation",
    "wasserstein",
    "winsor_limits",
]
