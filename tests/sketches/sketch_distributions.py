"""The distributions that the sketches are held against: name -> (generator, size) -> (values, shift)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Draw = Callable[[np.random.Generator, int], np.ndarray]


def with_sentinel(draw: Draw, sentinel: float) -> Draw:
    def mixed(rng: np.random.Generator, n: int) -> np.ndarray:
        values = draw(rng, n)
        return np.where(rng.random(n) < 0.03, sentinel, values)

    return mixed


def year(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform(2013, 2025, n)


# The second element is the shift that a copy gets: enough to matter, little enough to need a fine sketch.
DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.1),
    "uniform": (lambda rng, n: rng.random(n), 0.03),
    "uniform around 0": (lambda rng, n: rng.uniform(-1, 1, n), 0.05),
    "lognormal 0.1": (lambda rng, n: rng.lognormal(0, 0.1, n), 0.01),
    "lognormal 1": (lambda rng, n: rng.lognormal(0, 1, n), 0.1),
    "lognormal 3": (lambda rng, n: rng.lognormal(0, 3, n), 0.2),
    "exponential": (lambda rng, n: rng.exponential(1, n), 0.1),
    "Pareto": (lambda rng, n: rng.pareto(1.5, n) + 1, 0.1),
    "Student t3": (lambda rng, n: rng.standard_t(3, n), 0.1),
    "Cauchy": (lambda rng, n: rng.standard_cauchy(n), 0.1),
    "beta 1/2 1/2": (lambda rng, n: rng.beta(0.5, 0.5, n), 0.02),
    "calendar year": (lambda rng, n: np.floor(year(rng, n)), 1),
    "year": (year, 0.5),
    "kelvin": (lambda rng, n: rng.uniform(290, 310, n), 0.5),
    "latitude": (lambda rng, n: rng.uniform(40.5, 40.9, n), 0.02),
    "Unix seconds of a day": (lambda rng, n: 1.7e9 + rng.uniform(0, 86_400, n), 4_000),
    "cents": (lambda rng, n: np.round(rng.gamma(2, 20, n), 2), 1),
    "counts": (lambda rng, n: rng.poisson(7, n).astype(float), 1),
    "great counts": (lambda rng, n: rng.poisson(10_000, n).astype(float), 10),
    "0 or 1": (lambda rng, n: rng.integers(0, 2, n).astype(float), 0),
    "constant": (lambda _rng, n: np.full(n, 3.7), 0.01),
    "half zeros": (lambda rng, n: np.where(rng.random(n) < 0.5, 0, rng.lognormal(0, 1, n)), 0.1),
    "year or -999": (with_sentinel(year, -999), 0.5),
    "year or 3.4e38": (with_sentinel(year, 3.4e38), 0.5),
    "kelvin or 1e-300": (with_sentinel(lambda rng, n: rng.normal(300, 5, n), 1e-300), 0.5),
    "float32 noise": (lambda rng, n: (1e-6 * rng.normal(size=n)).astype(np.float32).astype(float), 1e-7),
}
