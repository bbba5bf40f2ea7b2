"""Configuration keys: fields of dataclasses that know how their values are read, and what holds for them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import Field, field, fields
from typing import Any

from driftmeter.exceptions import ConfigError, did_you_mean


def key(
    default: Any,
    parse: Callable[[Any], Any],
    says: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    secret: bool = False,
) -> Any:
    """Return the field of a configuration key: its default, how it is read, what it says, and its bounds.

    The value of one that is ``secret`` is not in the config's repr.
    """
    metadata = {"parse": parse, "says": says, "above": above, "least": least, "most": most}
    return field(default=default, metadata=metadata, repr=not secret)


def check_bounds(config: Any) -> None:
    """Check every value of a config object against its key's bounds.

    Raises:
        ConfigError: A value is beyond one.
    """
    for known in fields(config):
        _check_bound(known, getattr(config, known.name))


def _check_bound(known: Field[Any], value: Any) -> None:
    if value is None:
        return
    for rule, bound, holds in (
        ("above", known.metadata.get("above"), operator.gt),
        ("at least", known.metadata.get("least"), operator.ge),
        ("at most", known.metadata.get("most"), operator.le),
    ):
        if bound is not None and not holds(value, bound):
            raise ConfigError(f"{known.name} must be {rule} {bound:.12g}; got {value!r}")


def parse_key(cls: Any, name: str, value: Any) -> Any:
    """Return one key's value, checked against the key's own rule.

    Raises:
        ConfigError: The value breaks the rule.
    """
    known = next(known for known in fields(cls) if known.name == name)
    parsed = _parse(known.metadata, value, name)
    _check_bound(known, parsed)
    return parsed


def build(cls: Any, values: Mapping[str, Any], *, where: str = "") -> Any:
    """Return the config object of class ``cls`` for raw values, as they come from a file or the environment.

    Raises:
        ConfigError: A key is unknown or a value breaks its rule; the message names the key.
    """
    known = {one.name: one for one in fields(cls)}
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{where}{name}"
        if name not in known:
            raise ConfigError(f"{path} is not a key{did_you_mean(str(name), known)}")
        parsed[name] = _parse(known[name].metadata, value, path)
    try:
        return cls(**parsed)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def _parse(metadata: Mapping[str, Any], value: Any, path: str) -> Any:
    if "of" in metadata:
        entries = _mapping(value, path).items()
        return {
            str(name): build(metadata["of"], _mapping(entry, f"{path}.{name}"), where=f"{path}.{name}.")
            for name, entry in entries
        }
    try:
        return metadata["parse"](value)
    except ConfigError as error:
        raise ConfigError(f"{path} {error}") from None


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if value is None:  # a name with nothing under it
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path} must be a mapping; got {value!r}")
    return value
