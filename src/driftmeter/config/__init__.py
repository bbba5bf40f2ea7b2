"""Configuration: what can be set, and from where it is read."""

from driftmeter.config._classes import DISTANCES, ColumnConfig, Config, ModelConfig
from driftmeter.config._load import load, variable_name

__all__ = ["DISTANCES", "ColumnConfig", "Config", "ModelConfig", "load", "variable_name"]
