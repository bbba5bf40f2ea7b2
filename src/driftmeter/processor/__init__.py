"""Windows of snapshots against baselines: drift, skew and quality, as signals and in words."""

from driftmeter.processor._binning import Binned, bin_column
from driftmeter.processor._comparison import Rules, Verdict, compare
from driftmeter.processor._history import History
from driftmeter.processor._processor import Comparison, Evaluation, Event, Processor
from driftmeter.processor._quality import Finding
from driftmeter.processor._words import describe, describe_finding

__all__ = [
    "Binned",
    "Comparison",
    "Evaluation",
    "Event",
    "Finding",
    "History",
    "Processor",
    "Rules",
    "Verdict",
    "bin_column",
    "compare",
    "describe",
    "describe_finding",
]
