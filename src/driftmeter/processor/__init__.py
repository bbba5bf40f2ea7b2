"""Windows of snapshots against baselines: drift, skew and quality, as signals and in words."""

from driftmeter.processor._binned import Binned
from driftmeter.processor._bins import PLAIN_BINS, Bins, baseline_bins, bins_of
from driftmeter.processor._comparison import Comparer, Verdict
from driftmeter.processor._counts import Counts
from driftmeter.processor._evaluation import Comparison, Evaluation
from driftmeter.processor._finding import Finding
from driftmeter.processor._finding_words import describe_finding
from driftmeter.processor._grid import MAX_BINS, CategoricalGrid, NumericGrid
from driftmeter.processor._grid_making import all_named, make_grids
from driftmeter.processor._number_words import percent
from driftmeter.processor._processor import Processor, Watched
from driftmeter.processor._rules import ColumnRules, Rules
from driftmeter.processor._signals import Signals
from driftmeter.processor._turns import Event
from driftmeter.processor._words import describe

__all__ = [
    "MAX_BINS",
    "PLAIN_BINS",
    "Binned",
    "Bins",
    "CategoricalGrid",
    "ColumnRules",
    "Comparer",
    "Comparison",
    "Counts",
    "Evaluation",
    "Event",
    "Finding",
    "NumericGrid",
    "Processor",
    "Rules",
    "Signals",
    "Verdict",
    "Watched",
    "all_named",
    "baseline_bins",
    "bins_of",
    "describe",
    "describe_finding",
    "make_grids",
    "percent",
]
