"""Configuration: what can be set, and from where it is read."""

from driftmeter.config._classes import ColumnConfig, Config, ModelConfig
from driftmeter.config._keys import Keyed, build, key
from driftmeter.config._load import load, load_section, variable_name
from driftmeter.config._values import boolean, duration, integer, one_of, text

__all__ = [
    "ColumnConfig",
    "Config",
    "Keyed",
    "ModelConfig",
    "boolean",
    "build",
    "duration",
    "integer",
    "key",
    "load",
    "load_section",
    "one_of",
    "text",
    "variable_name",
]
