"""Where configuration comes from: the environment, a YAML file, pyproject.toml, code; later over earlier."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from driftmeter.config._classes import MAX_STEPS, Config
from driftmeter.config._keys import build, parse_key
from driftmeter.config._values import duration
from driftmeter.environment_variables import DRIFTMETER_CONFIG, PREFIX
from driftmeter.exceptions import ConfigError, did_you_mean

_BOUND: Final = ("window", "step", "seasonal")
_SECTIONS: Final = ("gateway",)
"""What a program of its own reads, out of the same places; see `load_section`."""


_OF_SECTIONS: Final = tuple(f"{PREFIX}{section.upper()}_" for section in _SECTIONS)


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
        (environ.get(DRIFTMETER_CONFIG, ""), _without_sections(_from_yaml(environ.get(DRIFTMETER_CONFIG, "")))),
        ("pyproject.toml", _without_sections(_from_pyproject(folder or Path.cwd()))),
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


def load_section(
    section: str,
    classes: Sequence[type[Any]],
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Return what a section of the configuration says, as an object of each class; together they have all its keys.

    Args:
        section: Its name, a key of the YAML file, and of the environment: ``DRIFTMETER_<SECTION>_<KEY>``.
        classes: Dataclasses of configuration keys.
        environ: Environment variables; the process's own by default.
        overrides: Keys given on a command line; they win.

    Raises:
        ConfigError: A value breaks its rule; the message names the source, the key, the rule and the value.
    """
    environ = os.environ if environ is None else environ
    known = {one.name: cls for cls in classes for one in fields(cls)}
    path = environ.get(DRIFTMETER_CONFIG, "")
    prefix = variable_name(section) + "_"
    variables = {name: value for name, value in environ.items() if name.startswith(prefix) and value.strip()}
    merged: dict[str, Any] = {}
    for source, values in (
        ("environment", {name[len(prefix) :].lower(): value for name, value in variables.items()}),
        (f"{path}: {section}", _mapping(_from_yaml(path).get(section), f"{path}: {section}")),
        ("command line", dict(overrides or {})),
    ):
        for name, value in values.items():
            if name not in known:
                raise ConfigError(f"{source}: {name} is not a key{did_you_mean(str(name), known)}")
            try:
                parse_key(known[name], name, value)
            except ConfigError as error:
                raise ConfigError(f"{source}: {error}") from None
            merged[name] = value
    return [build(cls, {name: value for name, value in merged.items() if known[name] is cls}) for cls in classes]


def _mapping(values: Any, where: str) -> Mapping[str, Any]:
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{where} must be a mapping; got {values!r}")
    return values or {}


def _without_sections(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _SECTIONS}


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
        if not variable.startswith(PREFIX) or variable == DRIFTMETER_CONFIG or variable.startswith(_OF_SECTIONS):
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
