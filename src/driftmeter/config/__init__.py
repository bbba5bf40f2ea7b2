"""Configuration: what can be set, and from where it is read."""

from driftmeter.config._classes import ColumnConfig, Config, ModelConfig
from driftmeter.config._load import load, variable_name
from driftmeter.config._values import duration

__all__ = ["ColumnConfig", "Config", "ModelConfig", "duration", "load", "variable_name"]
