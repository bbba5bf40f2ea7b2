"""What OpenTelemetry's names become in Prometheus: metrics by their unit and kind, attributes as labels.

========  ==================================================  ======================  ============================
naming    who names like this                                 ``ml.skew.detected``    ``ml.prediction.rows``
========  ==================================================  ======================  ============================
otlp      Prometheus' OTLP receiver and the collector's       ml_skew_detected_ratio  ml_prediction_rows_total
          Prometheus exporters, both by default; Grafana
          Cloud
pull      `opentelemetry-exporter-prometheus`                 ml_skew_detected        ml_prediction_rows_total
plain     Mimir by default; a collector or Prometheus that    ml_skew_detected        ml_prediction_rows
          was told to add no suffixes
========  ==================================================  ======================  ============================

Source: prometheus/otlptranslator 1.0 (``UnderscoreEscapingWithSuffixes`` and ``...WithoutSuffixes``).
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias, get_args

from driftmeter.semconv import Metric

Naming: TypeAlias = Literal["otlp", "pull", "plain"]
NAMINGS: Final[tuple[Naming, ...]] = get_args(Naming)

_UNITS: Final = {
    "s": "seconds",
    "ms": "milliseconds",
    "By": "bytes",
    "J": "joules",
    "W": "watts",
    "V": "volts",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
    "1": "",
}


def metric_name(metric: Metric, naming: Naming = "otlp") -> str:
    """Return a metric's name; of a classic histogram's series, without ``_bucket``, ``_count`` and ``_sum``.

    Raises:
        ValueError: The unit is one whose name is not known here.
    """
    if naming == "plain":
        return re.sub(r"[^a-zA-Z0-9:_]+", "_", metric.name)
    words = re.findall(r"[a-zA-Z0-9:]+", metric.name)
    unit = _unit(metric.unit)
    if unit and unit not in words:
        words.append(unit)
    if metric.kind == "counter":
        words = [*(word for word in words if word != "total"), "total"]
    if metric.kind == "gauge" and metric.unit == "1" and naming == "otlp":
        words = [*(word for word in words if word != "ratio"), "ratio"]
    return "_".join(words)


def _unit(unit: str) -> str:
    if not unit or unit.startswith("{"):
        return ""
    if unit not in _UNITS:
        raise ValueError(f"unit must be an annotation in braces or one of {', '.join(_UNITS)}; got {unit!r}")
    return _UNITS[unit]


def label_name(attribute: str) -> str:
    """Return the label that an attribute becomes."""
    name = re.sub(r"[^a-zA-Z0-9]+", "_", attribute)
    return f"key_{name}" if name[:1].isdigit() else name
