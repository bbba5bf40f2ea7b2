"""Names of categories: what a value of any type is counted as."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, cast

import numpy as np

from driftmeter.schema import MAX_NAME_LENGTH, clean_name, name_digest

OTHER: Final = "__other__"
_TRUTHS: Final = ("False", "True")
_BITS: Final = ("0", "1")


def is_missing(value: object) -> bool:
    """Whether a value is a null: None, NaN, NaT or NA."""
    if value is None or type(value) is str:
        return value is None
    try:
        return bool(value != value)  # noqa: PLR0124  # NaN and NaT differ from themselves
    except TypeError:  # pandas.NA has no truth value
        return True
    except (ValueError, ArithmeticError):  # an array has none either, nor a signalling NaN, and they are values
        return False


def truth_names(known: Collection[str]) -> Mapping[str, str]:
    """Return how truth values are called in a column whose known categories are such, by how else they may be called.

    Where a column of truth values has nulls, some libraries make numbers of it and some do not: True is 1.0 then.
    """
    for words, others in ((_TRUTHS, _BITS), (_BITS, _TRUTHS)):
        if known and set(known) <= set(words):
            return dict(zip(others, words, strict=True))
    return {}


def is_hashable(value: object) -> bool:
    """Whether a value can be counted as it is."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def are_own_names(values: Collection[object]) -> bool:
    """Whether all values are texts that are counted under themselves, as nearly all are."""
    texts = cast("Collection[str]", values)
    try:
        ascii_only = "".join(texts).isascii()  # the fastest way to tell that all are texts
    except TypeError:
        return False
    return ascii_only and max(map(len, texts), default=0) <= MAX_NAME_LENGTH and OTHER not in texts


def category_name(value: object) -> str:
    """Return the name under which a value is counted: 3, 3.0 and '3' are one category.

    It is cleaned as all names are, see `clean_name`. Of a text of more than 128 characters, which is no category but
    somebody's words, only a digest is left. A value that has the name of all other values, ``__other__``, is quoted.
    """
    if type(value) is str and len(value) <= MAX_NAME_LENGTH and value.isascii() and value != OTHER:
        return value  # as nearly all are
    if isinstance(value, str):
        name = str(value)
    elif isinstance(value, (float, np.floating)) and value.is_integer():
        name = str(int(value))
    else:
        name = str(value)
    if len(name) > MAX_NAME_LENGTH:
        return f"~{name_digest(name)}"
    name = clean_name(name)
    return name if name != OTHER else f'"{name}"'
