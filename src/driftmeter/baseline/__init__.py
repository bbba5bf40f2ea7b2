"""Baselines: what windows are compared with, and the file they live in."""

from driftmeter.baseline._baseline import Baseline
from driftmeter.baseline._configured import as_configured, disguises
from driftmeter.baseline._provenance import Provenance
from driftmeter.baseline._sketching import BIN_BUCKETS, BIN_CATEGORIES, bin_scale, most_frequent

__all__ = [
    "BIN_BUCKETS",
    "BIN_CATEGORIES",
    "Baseline",
    "Provenance",
    "as_configured",
    "bin_scale",
    "disguises",
    "most_frequent",
]
