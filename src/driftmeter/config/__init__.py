"""Configuration: what can be set, and from where it is read."""

from driftmeter.config._classes import ColumnConfig, Config, ModelConfig
from driftmeter.config._keys import build, check_bounds, key
from driftmeter.config._load import load, variable_name
from driftmeter.config._values import duration

__all__ = ["ColumnConfig", "Config", "ModelConfig", "build", "check_bounds", "duration", "key", "load", "variable_name"]
