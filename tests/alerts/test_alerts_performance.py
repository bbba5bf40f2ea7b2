"""Alerts on performance: of what nothing sends they say nothing, nor of a model that is as it was, good or bad."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from backend_kit import promtool
from driftmeter.alerts import Settings, prometheus_rules

pytestmark = pytest.mark.backends

OF_A_MODEL = {"ml_model_name": "m", "ml_performance_source": "measured"}
FIRING = {"alertname": "ModelPerformance", "alertstate": "firing", "severity": "ticket", "signal": "performance"}


def series(name: str, **labels: str) -> str:
    inside = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}"


@pytest.mark.parametrize(
    ("measure", "values", "fires"),
    [
        ("accuracy", "0.9x200", False),
        ("accuracy", "0.9x120 0.6x80", True),
        ("r2", "0.8x120 -0.5x80", True),
        ("r2", "-0.2x200", False),  # worse than a constant, and always was
        ("mae", "12x200", False),
        ("mae", "12x120 11x80", False),
        ("mae", "12x120 18x80", True),
        ("unheard_of", "1x120 0x80", False),
        ("", "", False),
    ],
)
def test_it_fires_where_a_measure_falls_behind_its_week(measure: str, values: str, fires: bool, tmp_path: Any) -> None:
    told = {"series": series(f"ml_performance_{measure}_ratio", **OF_A_MODEL), "values": values}
    expected = {"labels": series("ALERTS", **FIRING, **OF_A_MODEL, measure=measure), "value": 1}
    test = {
        "interval": "1m",
        "input_series": [told] if measure else [],
        "promql_expr_test": [
            {
                "expr": 'ALERTS{signal="performance", alertstate="firing"}',
                "eval_time": "195m",
                "exp_samples": [expected] if fires else [],
            }
        ],
    }
    (tmp_path / "rules.yml").write_text(prometheus_rules(Settings()))
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", "tests.yml", folder=tmp_path)
