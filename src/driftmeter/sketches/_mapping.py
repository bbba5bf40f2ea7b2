"""From values to bucket indexes and back: OpenTelemetry's exponential-histogram mapping.

With ``base = 2 ** (2 ** -scale)``, bucket ``i`` holds the values in ``(base ** i, base ** (i + 1)]``. The
indexes equal those of the OpenTelemetry SDK's ``LogarithmMapping`` (positive scales) for every finite
float64, its own rounding beside a boundary included, so that a sketch here and a histogram there agree on
every value. Buckets nest: ``index_at(scale - 1) == index_at(scale) >> 1``, exactly.

Source: OpenTelemetry metrics data model, "Exponential Buckets"; Masson, Rim, Lee, "DDSketch", VLDB 2019.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from driftmeter.typing import Float64Array, Int64Array

MAX_SCALE: Final = 20
MIN_SCALE: Final = 3

_MIN_NORMAL_EXPONENT: Final = -1022
_MIN_NORMAL: Final = 2.0**_MIN_NORMAL_EXPONENT
_MAX_EXPONENT: Final = 1024
_MANTISSA_BITS: Final = 52
_MANTISSA: Final = (1 << _MANTISSA_BITS) - 1
_EXPONENT_BIAS: Final = 1023
_LOG2_E: Final = 1.0 / math.log(2.0)
_LOG_ERROR: Final = 4 * 2.0**-43
"""No float64 logarithm exceeds 2**10, so 4 units in the last place are at most this; numpy promises as much."""


def scale_factor(scale: int) -> float:
    """Return buckets per unit of the natural logarithm, as the SDK computes it."""
    return math.ldexp(_LOG2_E, scale)


def map_to_index(values: Float64Array, scale: int) -> Int64Array:
    """Return the bucket index of each value.

    Args:
        values: Positive, finite values of any shape.
        scale: The histogram's scale, from 1 to 20.
    """
    factor = scale_factor(scale)
    position = np.log(values) * factor
    index = np.floor(position)
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    power = bits & _MANTISSA == 0
    # numpy's vectorised logarithm and the C library's differ in the last place. That decides the bucket only
    # where a value lies on a boundary but for rounding: there (two values in a million) ask the C library.
    near = (np.abs(position - np.rint(position)) <= _LOG_ERROR * factor) & ~power
    if near.any():
        index[near] = [math.floor(math.log(value) * factor) for value in values[near]]
    np.minimum(index, (_MAX_EXPONENT << scale) - 1, out=index)
    whole = index.astype(np.int64)
    if power.any():  # a power of two is the upper edge of its bucket, whatever the logarithm's rounding
        whole[power] = (((bits[power] >> _MANTISSA_BITS) - _EXPONENT_BIAS) << scale) - 1
    subnormal = values <= _MIN_NORMAL
    if subnormal.any():
        whole[subnormal] = (_MIN_NORMAL_EXPONENT << scale) - 1
    return whole


def lower_boundary(index: Int64Array, scale: int | Int64Array) -> Float64Array:
    """Return the lower boundary of each bucket, of one scale or each of its own.

    Subnormal and infinite ones are clipped to float64's normal range.
    """
    exponent: Float64Array = np.asarray(index, dtype=np.float64) / (1 << scale)
    return np.exp2(np.clip(exponent, _MIN_NORMAL_EXPONENT, np.nextafter(_MAX_EXPONENT, 0)))
