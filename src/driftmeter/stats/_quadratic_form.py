"""Tail of `lead * chi2(1) + rest * chi2(freedom)`, with a known or an estimated scale.

The null of both statistics in `_homogeneity` is a weighted sum of chi-squares: one leading direction and many
lesser ones that two moments describe. Where the scale itself was estimated, from some blocks of the baseline, the
statistic is compared with a multiple of an independent `chi2(scale_freedom) / scale_freedom`, as in an F test:

    P(lead * X1 + rest * Xf > x * Xs / s)  =  P(lead * X1 + rest * Xf - x * Xs / s > 0)

and the difference has a cumulant generating function in closed form, so Lugannani and Rice's saddlepoint formula
gives the tail: up to 12 % above the exact value from 1 % down to 1e-4, so on the safe side, and within 4 % before.

Source: Lugannani and Rice (1980), doi:10.2307/1426607; Kuonen (1999), Saddlepoint approximations for
distributions of quadratic forms in normal variables, doi:10.1093/biomet/86.4.929.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_BISECTIONS = 48
_SIX_ROOT_TWO_PI = 6.0 * np.sqrt(2.0 * np.pi)


def upper_tail(
    x: FloatArray,
    *,
    lead: FloatArray,
    rest: FloatArray,
    freedom: FloatArray,
    scale_freedom: FloatArray,
) -> FloatArray:
    """P-values, shape (d,).

    Args:
        x: Observed statistics over their estimated scale, shape (d,), 0 or more.
        lead: Weight of the leading chi-square with one degree of freedom, shape (d,), positive.
        rest: Weight of the others, shape (d,), 0 to `lead`.
        freedom: Their degrees of freedom, shape (d,), 0 or more.
        scale_freedom: Degrees of freedom of the scale's estimate, shape (d,); inf where it is known.
    """
    from scipy.special import ndtr

    x = np.maximum(x, 1e-9)
    known = np.isinf(scale_freedom)
    f = np.where(known, 1.0, scale_freedom)
    s = _known_scale_saddlepoint(x, lead, rest, freedom)
    if not known.all():
        bisected = _estimated_scale_saddlepoint(x, lead=lead, rest=rest, freedom=freedom, f=f)
        s = np.where(known, s, bisected)
    spread = np.where(known, 0.0, 2.0 * x * s / f)
    cumulant = -0.5 * np.log1p(-2.0 * lead * s) - 0.5 * freedom * np.log1p(-2.0 * rest * s)
    cumulant += np.where(known, -x * s, -0.5 * f * np.log1p(spread))
    curvature = 2.0 * (lead / (1.0 - 2.0 * lead * s)) ** 2
    curvature += 2.0 * freedom * (rest / (1.0 - 2.0 * rest * s)) ** 2
    curvature += np.where(known, 0.0, 2.0 * (x / (1.0 + spread)) ** 2 / f)
    w = np.copysign(np.sqrt(np.maximum(-2.0 * cumulant, 0.0)), s)
    u = s * np.sqrt(curvature)
    # At the mean both vanish, and the formula has its limit instead.
    at_mean = np.abs(w) < 1e-3
    w = np.where(at_mean, 1.0, w)
    u = np.where(at_mean, 1.0, u)
    skewness = 8.0 * (lead**3 + freedom * rest**3 - np.where(known, 0.0, x**3 / f**2)) / curvature**1.5
    p: FloatArray = np.where(at_mean, 0.5 - skewness / _SIX_ROOT_TWO_PI, ndtr(-(w + np.log(u / w) / w)))
    return p


def _known_scale_saddlepoint(x: FloatArray, lead: FloatArray, rest: FloatArray, freedom: FloatArray) -> FloatArray:
    """Where `lead / (1 - 2 lead s) + freedom rest / (1 - 2 rest s) = x`: the smaller root of a quadratic."""
    a = 4.0 * x * lead * rest
    b = 2.0 * (x * (lead + rest) - lead * rest * (1.0 + freedom))
    c = x - lead - freedom * rest
    root = np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0))
    # Each of the two ways to write the root cancels where the other does not.
    smaller: FloatArray = np.where(b > 0, 2.0 * c / np.where(b > 0, b + root, 1.0), (b - root) / (2.0 * a))
    return smaller


def _estimated_scale_saddlepoint(
    x: FloatArray, *, lead: FloatArray, rest: FloatArray, freedom: FloatArray, f: FloatArray
) -> FloatArray:
    """Where the cumulant generating function's slope is 0, by bisection: it is monotone between its poles."""
    high = 0.5 / lead
    low = -f / (2.0 * x)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        slope = lead / (1.0 - 2.0 * lead * middle) + freedom * rest / (1.0 - 2.0 * rest * middle)
        slope -= x / (1.0 + 2.0 * x * middle / f)
        above = slope > 0
        high = np.where(above, middle, high)
        low = np.where(above, low, middle)
    return 0.5 * (low + high)
