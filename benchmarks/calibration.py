"""Measure the error rates and the power of the verdicts by simulation, and write docs/calibration.md.

    python benchmarks/calibration.py            # some nine minutes on one core, and six a run of sliding windows
    python benchmarks/calibration.py --trials 2000 --slides 0 --output /tmp/calibration.md

Continuous columns are simulated on the bins' scale, which is exact and fast: where bins are the baseline's own
quantiles, the true shares of the bins are Dirichlet distributed whatever the distribution of the column (normal,
lognormal, uniform), and a change of the column is a change of these shares.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from calibration_blocks import dependent_rows, past_windows, varying_rates
from calibration_categories import categories
from calibration_flights import seasons
from calibration_sliding import sliding_windows
from calibration_states import alike_categories
from scipy import stats as reference
from scipy.special import ndtr, ndtri

from driftmeter.stats import (
    benjamini_hochberg,
    bin_count,
    chi_square,
    excess_p_value,
    homogeneity_p_values,
    kolmogorov_smirnov,
)
from driftmeter.stats._homogeneity import _cumulative

ALPHAS = (0.05, 0.01, 0.001)
STRICT = 1e-4
LIVE_ROWS = (50, 100, 200, 500, 1000, 5000, 100_000)
BASELINE_ROWS = (1000, 20_000, 1_000_000)
BATCH = 10_000

CATEGORIES = {
    "Bernoulli(0.5)": np.array([0.5, 0.5]),
    "Bernoulli(0.1)": np.array([0.9, 0.1]),
    "Bernoulli(0.01)": np.array([0.99, 0.01]),
    "Poisson(1)": reference.poisson.pmf(np.arange(12), 1.0),
    "3 categories, alike": np.ones(3),
    "3 categories, 75 : 20 : 5": np.array([75.0, 20.0, 5.0]),
    "20 categories, alike": np.ones(20),
    "20 categories, 1 / rank": 1.0 / np.arange(1, 21),
    "200 categories, alike": np.ones(200),
    "200 categories, 1 / rank": 1.0 / np.arange(1, 201),
}
CONTINUOUS = "normal, lognormal, uniform"

Change = Callable[[np.ndarray], np.ndarray]


def continuous(n: int, m: int, trials: int, rng: np.random.Generator, change: Change | None = None):
    """Live and baseline counts of a continuous column; `change` maps baseline quantiles to live ones."""
    bins = bin_count(n, m)
    in_bin = np.full((trials, bins), m / bins)
    shares = rng.gamma(in_bin)
    shares /= shares.sum(axis=1, keepdims=True)
    if change is not None:
        edges = np.clip(np.cumsum(shares, axis=1), 0.0, 1.0)
        edges[:, -1] = 1.0
        shares = np.diff(change(edges), axis=1, prepend=0.0)
    return rng.multinomial(n, shares), in_bin


def null_p_values(name: str, n: int, m: int, trials: int, rng: np.random.Generator) -> np.ndarray:
    parts = []
    for start in range(0, trials, BATCH):
        size = min(BATCH, trials - start)
        if name == CONTINUOUS:
            live, baseline = continuous(n, m, size, rng)
        else:
            shares = CATEGORIES[name] / CATEGORIES[name].sum()
            live, baseline = (rng.multinomial(rows, shares, size=size) for rows in (n, m))
        ordered = name in (CONTINUOUS, "Poisson(1)")
        parts.append(homogeneity_p_values(live, baseline, ordered=ordered))
    return np.concatenate(parts)


def false_alarms(trials: int, rng: np.random.Generator) -> Iterator[str]:
    yield "## False alarms without drift"
    yield ""
    yield (
        "Share of columns called drifted, in multiples of alpha: the mean and the largest over live windows of "
        f"{', '.join(f'{n:,}' for n in LIVE_ROWS)} rows; the bar is 1.2. {trials:,} trials a cell (a half with 200 "
        "categories), so one standard error of a cell is "
        + ", ".join(f"{np.sqrt(1 / (a * trials)):.2f} at {a:g}" for a in ALPHAS)
        + ". The largest of seven cells is some 1.4 errors high by chance alone."
    )
    yield ""
    yield "| column | baseline | " + " | ".join(f"mean, largest at {a:g}" for a in ALPHAS) + " |"
    yield "|---|---|" + "---|" * len(ALPHAS)
    for name in (CONTINUOUS, *CATEGORIES):
        size = trials // 2 if name.startswith("200") else trials
        for m in BASELINE_ROWS:
            p = np.array([null_p_values(name, n, m, size, rng) for n in LIVE_ROWS])
            rates = [(p <= a).mean(axis=1) / a for a in ALPHAS]
            cells = (f"{r.mean():.2f}, {r.max():.2f} (n = {LIVE_ROWS[r.argmax()]:,})" for r in rates)
            yield f"| {name} | {m:,} | " + " | ".join(cells) + " |"
    yield ""


def three_tests(live: np.ndarray, baseline: np.ndarray, *, ordered: bool) -> dict[str, np.ndarray]:
    occupied = np.count_nonzero(live + baseline, axis=1)
    result = {
        "this": homogeneity_p_values(live, baseline, ordered=ordered),
        "Pearson": reference.chi2.sf(chi_square(live, baseline), occupied - 1),
    }
    if ordered:
        result["cumulative"] = _cumulative(live.astype(float), baseline.astype(float))
    return result


def shift(mu: float) -> Change:
    return lambda quantile: ndtr(ndtri(quantile) - mu)


def spread(factor: float) -> Change:
    return lambda quantile: ndtr(ndtri(quantile) / np.sqrt(factor))


def narrow_mode(share: float, at: float) -> Change:
    def changed(quantile: np.ndarray) -> np.ndarray:
        return (1.0 - share) * quantile + share * ndtr((ndtri(quantile) - at) / 0.01)

    return changed


def power(trials: int, rng: np.random.Generator) -> Iterator[str]:
    yield "## Power against a shift"
    yield ""
    yield (
        f"N(mu, 1) against N(0, 1), baseline of 20,000 rows, alpha = {STRICT:g}; the bar is 90 %. "
        f"{trials:,} trials, standard error {100 * np.sqrt(0.09 / trials):.1f} points."
    )
    yield ""
    yield "| rows | mu | detected | Pearson alone | cumulative alone |"
    yield "|---|---|---|---|---|"
    for n, mu in ((200, 0.42), (1000, 0.19), (5000, 0.09)):
        rates = {
            name: (p <= STRICT).mean()
            for name, p in three_tests(*continuous(n, 20_000, trials, rng, shift(mu)), ordered=True).items()
        }
        yield f"| {n:,} | {mu} | {rates['this']:.1%} | {rates['Pearson']:.1%} | {rates['cumulative']:.1%} |"
    yield ""


def doubled_category(n: int, trials: int, rng: np.random.Generator):
    shares = np.full(20, 0.05)
    doubled = np.full(20, 0.9 / 19)
    doubled[7] = 0.1
    return rng.multinomial(n, doubled, size=trials), rng.multinomial(20_000, shares, size=trials)


def missing_tests(n: int, trials: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    k, k0 = rng.binomial(n, 0.03, trials), rng.binomial(20_000, 0.01, trials)
    table = [np.stack([hits, rows - hits], axis=1) for hits, rows in ((k, n), (k0, 20_000))]
    return {
        "this": excess_p_value(k, n, k0, 20_000),
        "Pearson": reference.chi2.sf(chi_square(*table), 1),
    }


def _pearson_level(n: int) -> float:
    """How often Pearson's test calls a column with 1 % missing, n live rows, against a baseline that is known."""
    hits = np.arange(n + 1.0)
    z2 = (hits - 0.01 * n) ** 2 / (0.01 * 0.99 * n)
    return float(reference.binom.pmf(hits, n, 0.01)[reference.chi2.sf(z2, 1) <= STRICT].sum())


def rows_needed(tests: Callable[[int], dict[str, np.ndarray]]) -> dict[str, float]:
    """The rows at which each test first detects 80 %, interpolated on a grid of 5 % steps."""
    needed: dict[str, float] = {}
    last: dict[str, tuple[float, float]] = {}
    n = 40.0
    while n < 30_000:
        results = tests(int(n))
        for name, p in results.items():
            rate = float((p <= STRICT).mean())
            if rate >= 0.8 and name not in needed:
                before, low = last.get(name, (n, 0.0))
                needed[name] = before + (n - before) * (0.8 - low) / max(rate - low, 1e-9)
            last[name] = (n, rate)
        if len(needed) == len(results):
            break
        n *= 1.05
    return needed


def sample_sizes(trials: int, rng: np.random.Generator) -> Iterator[str]:
    yield "## Rows needed to detect other changes"
    yield ""
    yield (
        f"Live rows for 80 % at alpha = {STRICT:g}, baseline of 20,000 rows; the bar is 1.25 times the better "
        f"of the two alone. {trials:,} trials a step; figures are good to some 3 %. Missing values are tested "
        f"one-sided and exactly; Pearson's test needs fewer rows there since it is not calibrated: at 700 rows it "
        f"calls {_pearson_level(700) / STRICT:.0f} times alpha without a change."
    )
    yield ""
    yield "| change | rows | Pearson alone | cumulative alone | ratio to the better |"
    yield "|---|---|---|---|---|"

    def on(change: Change) -> Callable[[int], dict[str, np.ndarray]]:
        return lambda n: three_tests(*continuous(n, 20_000, trials, rng, change), ordered=True)

    cases: dict[str, Callable[[int], dict[str, np.ndarray]]] = {
        "mean up by 0.2 standard deviations": on(shift(0.2)),
        "variance x 1.5, same mean": on(spread(1.5)),
        "a narrow mode with 3 % of the mass, at the mean": on(narrow_mode(0.03, 0.0)),
        "a narrow mode with 3 % of the mass, at 1.5 standard deviations": on(narrow_mode(0.03, 1.5)),
        "one of 20 categories doubles": lambda n: three_tests(*doubled_category(n, trials, rng), ordered=False),
        "missing from 1 % to 3 %": lambda n: missing_tests(n, trials, rng),
    }
    for name, tests in cases.items():
        needed = rows_needed(tests)
        best = min(value for key, value in needed.items() if key != "this")
        cells = [f"{needed[key]:,.0f}" if key in needed else "" for key in ("this", "Pearson", "cumulative")]
        yield f"| {name} | " + " | ".join(cells) + f" | {needed['this'] / best:.2f} |"
    yield ""


def many_columns(runs: int, rng: np.random.Generator) -> Iterator[str]:
    windows, columns, rows, floor = 720, 200, 1000, 0.02
    levels = (0.05, 0.01, 0.002, 0.001)
    alarms = np.zeros((runs, len(levels)))
    repeated = np.zeros((runs, len(levels)))
    for run in range(runs):
        live, baseline = continuous(rows, 20_000, columns, rng)
        shares = rng.gamma(baseline)
        shares /= shares.sum(axis=1, keepdims=True)
        calls = np.zeros((windows, columns, len(levels)), dtype=bool)
        for window in range(windows):
            live = rng.multinomial(rows, shares)
            q = benjamini_hochberg(homogeneity_p_values(live, baseline, ordered=True))
            effect = kolmogorov_smirnov(live, baseline) >= floor
            calls[window] = (q[:, None] <= levels) & effect[:, None]
        alarms[run] = calls.any(axis=1).sum(axis=0)
        repeated[run] = (calls[1:] & calls[:-1]).any(axis=1).sum(axis=0)
    yield "## Many columns"
    yield ""
    yield (
        f"{columns} columns without drift, {windows} hourly windows (30 days) of {rows:,} rows against one baseline of "
        f"20,000 rows, Benjamini-Hochberg over the columns, {runs} runs. Windows with any verdict, and windows where "
        "a verdict of the window before was repeated; the bar is 1 in the median run."
    )
    yield ""
    yield "| alpha | windows with a verdict: median, mean, largest | repeated: largest |"
    yield "|---|---|---|"
    for i, level in enumerate(levels):
        a = alarms[:, i]
        yield f"| {level:g} | {np.median(a):g}, {a.mean():.1f}, {a.max():g} | {repeated[:, i].max():g} |"
    yield ""


def sliding(days: int, rng: np.random.Generator) -> Iterator[str]:
    columns, rows, levels = 200, 17, (0.05, 0.01, 0.002, 0.001)
    _, baseline = continuous(60 * rows, 20_000, columns, rng)
    shares = rng.gamma(baseline)
    shares /= shares.sum(axis=1, keepdims=True)
    recent = rng.multinomial(rows, shares, size=(60, columns))
    window = recent.sum(axis=0)
    calls = np.zeros((days * 1440, columns, len(levels)), dtype=bool)
    for minute in range(days * 1440):
        step = rng.multinomial(rows, shares)
        window += step - recent[minute % 60]
        recent[minute % 60] = step
        q = benjamini_hochberg(homogeneity_p_values(window, baseline, ordered=True))
        calls[minute] = q[:, None] <= levels
    # The same column an hour ago, on rows of which none is in the window now.
    held = calls[60:] & calls[:-60]
    yield (
        f"The same with windows that slide by a minute ({days} days, one baseline): how often a verdict turned on in "
        "30 days, at any column, and how often if it also has to have held in the disjoint window before."
    )
    yield ""
    yield "| alpha | turned on | held before |"
    yield "|---|---|---|"
    for i, level in enumerate(levels):
        turned = [(c[1:, :, i] & ~c[:-1, :, i]).any(axis=1).sum() * 30 / days for c in (calls, held)]
        yield f"| {level:g} | {turned[0]:.0f} | {turned[1]:.0f} |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slides", type=int, default=5, help="runs of 30 days of sliding windows")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "calibration.md")
    options = parser.parse_args()
    rng, of_blocks = np.random.default_rng(options.seed), np.random.default_rng([options.seed, 1])
    of_states = np.random.default_rng(options.seed + 2)
    few = max(options.trials // 50, 200)
    sections = {
        "false alarms": false_alarms(options.trials, rng),
        "categories": categories(max(options.trials // 100, 20), np.random.default_rng([options.seed, 2])),
        "power": power(max(options.trials // 10, 400), rng),
        "sample sizes": sample_sizes(few, rng),
        "many columns": many_columns(max(options.trials // 10_000, 2), rng),
        "looks": sliding(max(options.trials // 20_000, 1), rng),
        "sliding windows": sliding_windows(options.slides, options.seed) if options.slides else iter(()),
        "dependent rows": dependent_rows(max(options.trials // 500 // 20 * 20, 20), of_blocks),
        "dependent categories": alike_categories(max(options.trials // 2500, 10), of_states),
        "past windows": past_windows(max(options.trials // 2500 // 20 * 20, 20), of_blocks),
        "varying rates": varying_rates(max(options.trials // 4, 1000), of_blocks),
        "seasons": seasons(),
    }
    asked = f"--trials {options.trials} --seed {options.seed} --slides {options.slides}"
    lines = [
        "# Calibration",
        "",
        "What the p-values keep to, by simulation. Written by",
        f"`python benchmarks/calibration.py {asked}`;",
        "the method is described in `driftmeter/stats`: `_homogeneity.py`, `_sparse_bins.py`, `_overdispersion.py`,",
        "`_block_means.py` and `_block_ratios.py`.",
        "",
    ]
    for name, section in sections.items():
        started = time.process_time()
        lines += section
        print(f"{name}: {time.process_time() - started:.0f} s")
    options.output.write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
