"""Configuration keys: fields of dataclasses that know how their values are read, and what holds for them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import Field, field, fields
from typing import TYPE_CHECKING, Any

from driftmeter.exceptions import ConfigError, did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Self


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


class Keyed:
    """Base of the dataclasses of configuration keys: one that exists has known keys alone, read and within bounds.

    Values may come as they do from a file or the environment, ``window="1h"``; what is kept has the key's own type.

    Raises:
        ConfigError: A key is unknown or a value breaks its rule; the message names the key.
    """

    __slots__ = ()

    def __new__(cls, **values: Any) -> Self:
        """Refuse what is no key, before the dataclass does so as a mistake of the program."""
        known = {one.name for one in fields(cls)}  # type: ignore[arg-type]  # subclasses are dataclasses
        for name in values:
            if name not in known:
                raise ConfigError(f"{name} is not a key{did_you_mean(name, known)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for known in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            object.__setattr__(self, known.name, _read(known, getattr(self, known.name)))
        self._check_together()

    def _check_together(self) -> None:
        """Check what binds one key to another."""


def parse_key(cls: Any, name: str, value: Any) -> Any:
    """Return one key's value, checked against the key's own rule.

    Raises:
        ConfigError: The value breaks the rule.
    """
    return _read(next(known for known in fields(cls) if known.name == name), value)


def build(cls: Any, values: Mapping[str, Any], *, where: str = "") -> Any:
    """Return the config object of class ``cls`` for raw values, as they come from a file or the environment.

    Raises:
        ConfigError: A key is unknown or a value breaks its rule; the message names the key, after ``where`` it stands.
    """
    try:
        return cls(**{str(name): value for name, value in values.items()})
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def _read(known: Field[Any], value: Any) -> Any:
    if "of" in known.metadata:
        return _objects(known, value)
    # A default need not be what one could write: None, or no text at all, is a key that is not set.
    if type(value) is type(known.default) and value == known.default:
        return value
    try:
        parsed = known.metadata["parse"](value)
    except ConfigError as error:
        raise ConfigError(f"{known.name} {error}") from None
    _check_bound(known, parsed)
    return parsed


def _check_bound(known: Field[Any], value: Any) -> None:
    for rule, bound, holds in (
        ("above", known.metadata.get("above"), operator.gt),
        ("at least", known.metadata.get("least"), operator.ge),
        ("at most", known.metadata.get("most"), operator.le),
    ):
        if bound is not None and not holds(value, bound):
            raise ConfigError(f"{known.name} must be {rule} {bound:.12g}; got {value!r}")


def _objects(known: Field[Any], value: Any) -> dict[str, Any]:
    """Return config objects by name, from themselves or from mappings of their keys."""
    cls = known.metadata["of"]
    found: dict[str, Any] = {}
    for name, entry in _mapping(value, known.name).items():
        path = f"{known.name}.{name}"
        found[str(name)] = entry if isinstance(entry, cls) else build(cls, _mapping(entry, path), where=f"{path}.")
    return found


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if value is None:  # a name with nothing under it
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path} must be a mapping; got {value!r}")
    return value
