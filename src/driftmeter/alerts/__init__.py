"""Alerts and recording rules, generated from the configuration that the processor runs on."""

from driftmeter.alerts._alert import space
from driftmeter.alerts._catalog import alerts
from driftmeter.alerts._datadog import datadog_monitors
from driftmeter.alerts._grafana import grafana_provisioning
from driftmeter.alerts._prometheus import prometheus_rules, prometheus_tests
from driftmeter.alerts._recording import promql_rules
from driftmeter.alerts._recording_settings import BASELINE_SHARE as RECORDED_BASELINE_SHARE
from driftmeter.alerts._recording_settings import ROWS as RECORDED_ROWS
from driftmeter.alerts._recording_settings import SHARE as RECORDED_SHARE
from driftmeter.alerts._recording_settings import Recording
from driftmeter.alerts._recording_tests import promql_tests
from driftmeter.alerts._settings import RUNBOOKS, Settings, segment_attributes
from driftmeter.alerts._text import APART, duration_text, quoted, selector, tag_value

__all__ = [
    "APART",
    "RECORDED_BASELINE_SHARE",
    "RECORDED_ROWS",
    "RECORDED_SHARE",
    "RUNBOOKS",
    "Recording",
    "Settings",
    "alerts",
    "datadog_monitors",
    "duration_text",
    "grafana_provisioning",
    "prometheus_rules",
    "prometheus_tests",
    "promql_rules",
    "promql_tests",
    "quoted",
    "segment_attributes",
    "selector",
    "space",
    "tag_value",
]
