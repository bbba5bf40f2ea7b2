"""Windows of snapshots against baselines: drift, skew and quality, as signals and in words."""

from driftmeter.processor._comparison import Binned, Comparer, Verdict
from driftmeter.processor._counts import Counts
from driftmeter.processor._finding import Finding
from driftmeter.processor._model import Comparison, Evaluation
from driftmeter.processor._processor import Processor, Watched
from driftmeter.processor._rules import ColumnRules, Rules
from driftmeter.processor._signals import Signals
from driftmeter.processor._turns import Event
from driftmeter.processor._words import describe, describe_finding, percent

__all__ = [
    "Binned",
    "ColumnRules",
    "Comparer",
    "Comparison",
    "Counts",
    "Evaluation",
    "Event",
    "Finding",
    "Processor",
    "Rules",
    "Signals",
    "Verdict",
    "Watched",
    "describe",
    "describe_finding",
    "percent",
]
