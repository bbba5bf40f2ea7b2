"""Where configuration comes from: the environment, a YAML file, pyproject.toml, code; later over earlier."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from driftmeter.config._classes import MAX_STEPS, Config
from driftmeter.config._keys import build, parse_key
from driftmeter.config._values import duration
from driftmeter.environment_variables import DRIFTMETER_CONFIG, PREFIX
from driftmeter.exceptions import ConfigError, did_you_mean

_BOUND: Final = ("window", "step", "seasonal")


def load(
    *, environ: Mapping[str, str] | None = None, folder: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """Return the configuration in force.

    Args:
        environ: Environment variables; the process's own by default.
        folder: Where to look for pyproject.toml; the working directory by default.
        overrides: Keys given in code; they win.

    Raises:
        ConfigError: A value breaks its rule; the message names the source, the key, the rule and the value.
    """
    environ = os.environ if environ is None else environ
    merged: dict[str, Any] = {}
    sources = (
        ("environment", _from_environment(environ)),
        (environ.get(DRIFTMETER_CONFIG, ""), _from_yaml(environ.get(DRIFTMETER_CONFIG, ""))),
        ("pyproject.toml", _from_pyproject(folder or Path.cwd())),
        ("code", dict(overrides or {})),
    )
    for source, values in sources:
        if values:
            _checked(source, values)
            merged.update(values)
    if "window" in merged and "step" not in merged:
        merged["step"] = _usual_step(duration(merged["window"]))
    config: Config = build(Config, merged)
    return config


def _usual_step(window: float) -> float:
    """Return the step for a window that comes without one: a minute; for long windows ten, an hour or a day.

    Where none of them divides it, the window.
    """
    for step in (Config().step, 600.0, 3600.0, 86_400.0):
        if not round(window * 1e9) % round(step * 1e9) and window <= MAX_STEPS * step:
            return step
    return window


def _checked(source: str, values: Mapping[str, Any]) -> None:
    """Refuse a wrong value under its source's name, before it is merged with others."""
    # These bind each other, perhaps across sources: here each is only looked at alone.
    alone = {name: value for name, value in values.items() if name not in _BOUND}
    try:
        for name in _BOUND:
            if name in values:
                parse_key(Config, name, values[name])
        build(Config, alone)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {variable_name(key.name): key.name for key in fields(Config) if "parse" in key.metadata}
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == DRIFTMETER_CONFIG:
            continue
        if variable not in known:
            raise ConfigError(f"environment: {variable} is not a variable{did_you_mean(variable, known)}")
        if value.strip():
            values[known[variable]] = value
    return values


def variable_name(key: str) -> str:
    """Return the environment variable of a configuration key."""
    return PREFIX + key.upper()


def _from_yaml(path: str) -> dict[str, Any]:
    if not path:
        return {}
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{DRIFTMETER_CONFIG} must name a readable file; {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that there is none of, say
        raise ConfigError(f"{path} must be YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a mapping; got {type(values).__name__}")
    return values


def _from_pyproject(folder: Path) -> dict[str, Any]:
    path = folder / "pyproject.toml"
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool")
    except (ValueError, OSError, RecursionError):
        # A service may start in any folder; a broken file that is not about driftmeter is not its business.
        return {}
    values = tool.get("driftmeter", {}) if isinstance(tool, dict) else {}
    if not isinstance(values, dict):
        raise ConfigError(f"pyproject.toml: tool.driftmeter must be a table; got {values!r}")
    return values
