"""Baselines: what windows are compared with, and the file they live in."""

from driftmeter.baseline._baseline import Baseline

__all__ = ["Baseline"]
