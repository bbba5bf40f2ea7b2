"""The part of `calibration.py` that is about rows which are alike: blocks, past windows, rates that vary."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.signal import lfilter

from driftmeter.stats import (
    bin_count,
    block_mean_p_values,
    estimate_design_effect,
    excess_among_blocks_p_value,
    excess_p_value,
    homogeneity_p_values,
    moved_share,
)

STRICT = 1e-4
ROWS = 5000
GAP, AFTER = 5, 10
"""Windows between the baseline and those that are tested: right after it they would be like its last block."""

Counted = tuple[np.ndarray, np.ndarray]
"""Counts of shape (windows, columns, bins) and means of shape (windows, columns)."""


def states(columns: int, windows: int, rows: int, each: int, alike: float, memory: float, rng) -> np.ndarray:
    """Normal values of shape (columns, windows, rows): `each` rows share a state, states are AR(1)."""
    count = -(-windows * rows // each)
    noise = rng.standard_normal((columns, count + 200), dtype=np.float32)
    state = lfilter([np.sqrt(1.0 - memory**2)], [1.0, -memory], noise, axis=1)[:, 200:].astype(np.float32)
    values = np.sqrt(np.float32(alike)) * np.repeat(state, each, axis=1)[:, : windows * rows]
    values += np.sqrt(np.float32(1.0 - alike)) * rng.standard_normal(values.shape, dtype=np.float32)
    return values.reshape(columns, windows, rows)


def on_own_quantiles(values: np.ndarray, blocks: int, bins: int) -> Counted:
    """Counts on bins from the first `blocks` windows, and means."""
    columns, windows, rows = values.shape
    ranked = np.sort(values[:, :blocks].reshape(columns, -1), axis=1)
    edges = ranked[:, (np.arange(1, bins) * ranked.shape[1]) // bins]
    counts = np.empty((windows, columns, bins))
    offset = np.arange(windows)[:, None] * bins
    for i in range(columns):
        cell = np.searchsorted(edges[i], values[i].ravel()).reshape(windows, rows) + offset
        counts[:, i] = np.bincount(cell.ravel(), minlength=windows * bins).reshape(windows, bins)
    return counts, values.mean(axis=2, dtype=np.float64).T


def simulated(columns: int, windows: int, rows: int, blocks: int, bins: int, corner: tuple, rng, drift=None) -> Counted:
    """`states`, a few columns at a time, with `drift` of shape (windows,) added."""
    parts = []
    for _ in range(-(-columns // 20)):
        values = states(min(columns, 20), windows, rows, *corner, rng)
        if drift is not None:
            values += drift[None, :, None].astype(np.float32)
        parts.append(on_own_quantiles(values, blocks, bins))
    return np.concatenate([c for c, _ in parts], axis=1), np.concatenate([m for _, m in parts], axis=1)


def with_blocks(counted: Counted, blocks: int, tested: slice) -> tuple[np.ndarray, np.ndarray]:
    """P-values of the tested windows, with the design effect and without, each of shape (windows, columns)."""
    counts, means = counted
    effect = estimate_design_effect(counts[:blocks], ordered=True)
    baseline, rows = counts[:blocks].sum(axis=0), counts[:blocks].sum(axis=2)
    pairs = []
    for live, mean in zip(counts[tested], means[tested], strict=True):
        of_mean = block_mean_p_values(mean, means[:blocks], live_rows=live.sum(axis=1), block_rows=rows)
        careful = homogeneity_p_values(live, baseline, ordered=True, design_effect=effect, block_mean_p=of_mean)
        pairs.append([careful, homogeneity_p_values(live, baseline, ordered=True)])
    with_effect, without = np.moveaxis(np.array(pairs), 1, 0)
    return with_effect, without


def rate(p: np.ndarray, alpha: float) -> float:
    return float((p <= alpha).mean()) / alpha


def error(p: np.ndarray, alpha: float) -> float:
    """Standard error of `rate`; windows of one column share a baseline, so columns are what is independent."""
    return float((p <= alpha).mean(axis=0).std(ddof=1) / np.sqrt(p.shape[1])) / alpha


def dependent_rows(columns: int, rng: np.random.Generator) -> Iterator[str]:
    yield "## Rows that are alike"
    yield ""
    yield (
        f"A state shared by rows that arrive together; {columns} columns x {AFTER} windows of {ROWS:,} rows, some time "
        "after the baseline. False alarms in multiples of alpha, with one standard error, by what was learned from the "
        "baseline's blocks (bars: 1.5 with 40 blocks, 2 with 10), and without it. With 200 rows a state and 0.95 from "
        "state to state, a column remembers nearly as long as a window lasts."
    )
    yield ""
    yield (
        "| rows a state | alike within | state to state "
        "| 40 blocks: 0.05, 0.01 | 10 blocks: 0.05, 0.01 | without: 0.05 |"
    )
    yield "|---|---|---|---|---|---|"
    rates: dict[int, list[list[float]]] = {40: [], 10: []}
    for corner in [
        (each, alike, memory) for each in (10, 50, 200) for alike in (0.5, 0.95) for memory in (0, 0.5, 0.95)
    ]:
        cells = []
        for blocks in (40, 10):
            tested = slice(blocks + GAP, blocks + GAP + AFTER)
            counted = simulated(columns, blocks + GAP + AFTER, ROWS, blocks, 50, corner, rng)
            p, independent = with_blocks(counted, blocks, tested)
            rates[blocks].append([rate(p, a) for a in (0.05, 0.01, 0.001)])
            cells.append(", ".join(f"{rate(p, a):.2f} ± {error(p, a):.2f}" for a in (0.05, 0.01)))
        cells.append(f"{rate(independent, 0.05):.1f}")
        yield "| " + " | ".join([*map(str, corner), *cells]) + " |"
    for name, over in (("largest", np.max), ("mean", np.mean)):
        cells = [", ".join(f"{r:.2f}" for r in over(rates[blocks], axis=0)[:2]) for blocks in (40, 10)]
        yield f"| {name} | | | {cells[0]} | {cells[1]} | |"
    yield ""
    strict = [np.mean(rates[blocks], axis=0)[2] for blocks in (40, 10)]
    yield f"At 0.001 the mean over these is {strict[0]:.1f} with 40 blocks and {strict[1]:.1f} with 10."
    yield ""
    yield from _price(columns, rng)


def _price(columns: int, rng: np.random.Generator) -> Iterator[str]:
    yield (
        "What the caution costs where rows are independent after all, detected at alpha = 1e-4; the bar is 10 points:"
    )
    yield ""
    yield "| rows | mu | 40 blocks: without, with | 10 blocks: without, with | largest loss |"
    yield "|---|---|---|---|---|"
    for n, mu in ((200, 0.42), (1000, 0.19), (5000, 0.09)):
        cells, losses = [], []
        for blocks in (40, 10):
            values = rng.standard_normal((columns, blocks + AFTER, n), dtype=np.float32)
            values[:, blocks:] += mu
            counted = on_own_quantiles(values, blocks, bin_count(n, 20_000))
            found = [(p <= STRICT).mean() for p in with_blocks(counted, blocks, slice(blocks, None))]
            cells.append(f"{found[1]:.1%}, {found[0]:.1%}")
            losses.append(100 * (found[1] - found[0]))
        yield f"| {n:,} | {mu} | " + " | ".join(cells) + f" | {max(losses):.1f} points |"
    yield ""


def served(counted: Counted, blocks: int, *, kept: int, every: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """P-values and verdicts of all windows after the blocks, with up to `kept` past windows to learn from.

    A column has a verdict at 0.001, or at 0.05 in two windows running, if 3 % of its rows moved. Windows that led to
    one are left out. What was learned is renewed in each `every`-th window.
    """
    counts, means = counted
    windows, columns = means.shape
    p, detected = np.ones((windows, columns)), np.zeros((windows, columns), dtype=bool)
    suspected, learned = detected.copy(), ~detected
    baseline, rows = counts[:blocks].sum(axis=0), counts.sum(axis=2)
    for now in range(blocks, windows):
        past = slice(max(blocks, now - kept), now)
        if now == blocks or (kept and (now - blocks) % every == 0):
            history = counts[past] * learned[past, :, None]
            effect = estimate_design_effect(counts[:blocks], ordered=True, history=history)
        of_mean = block_mean_p_values(
            means[now],
            means[:blocks],
            live_rows=rows[now],
            block_rows=rows[:blocks],
            history=means[past],
            history_rows=rows[past] * learned[past],
        )
        p[now] = homogeneity_p_values(counts[now], baseline, ordered=True, design_effect=effect, block_mean_p=of_mean)
        suspected[now] = (p[now] <= 0.05) & (moved_share(counts[now], baseline) >= 0.03)
        detected[now] = suspected[now] & ((p[now] <= 0.001) | suspected[now - 1])
        learned[now - 1 : now + 1] &= ~detected[now]
    return p[blocks:], detected[blocks:]


def past_windows(columns: int, rng: np.random.Generator) -> Iterator[str]:
    rows, blocks, bins, kept = 2000, 10, 40, 64
    yield "## What past windows teach"
    yield ""
    yield (
        f"A baseline of {blocks} blocks only, then 200 quiet windows of {rows:,} rows, the last {kept} of which are "
        f"kept and learned from, unless they led to a verdict. False alarms in windows 140 to 200, {columns} columns."
    )
    yield ""
    yield "| rows a state | alike within | state to state | blocks alone: 0.05, 0.01 | with past windows: 0.05, 0.01 |"
    yield "|---|---|---|---|---|"
    for corner in ((50, 0.5, 0.0), (50, 0.5, 0.5), (50, 0.95, 0.95), (80, 0.95, 0.5), (80, 0.5, 0.95)):
        counted = simulated(columns, blocks + 200, rows, blocks, bins, corner, rng)
        cells = []
        for number in (0, kept):
            p = served(counted, blocks, kept=number)[0][140:]
            cells.append(", ".join(f"{rate(p, a):.2f} ± {error(p, a):.2f}" for a in (0.05, 0.01)))
        yield "| " + " | ".join([*map(str, corner), *cells]) + " |"
    yield ""
    yield (
        "A drift is not learned as normal: the mean moves by 0.5 standard deviations of a row after 20 quiet windows, "
        "and stays. Share of columns detected (states of 50 rows, 0.5 alike, independent of each other: windows' means "
        "scatter by 0.11)."
    )
    yield ""
    yield "| drift | | windows 1 to 10 of it | 40 to 50 | 90 to 100 |"
    yield "|---|---|---|---|---|"
    since = np.arange(blocks + 120) - (blocks + 20)
    for name, drift in (
        ("at once", 0.5 * (since >= 0)),
        ("evenly over 100 windows", 0.5 * np.clip(since / 100, 0.0, 1.0)),
    ):
        counted = simulated(columns, blocks + 120, rows, blocks, bins, (50, 0.5, 0.0), rng, drift)
        for number, label in ((0, "blocks alone"), (kept, "with past windows")):
            found = served(counted, blocks, kept=number)[1][20:]
            cells = [f"{found[first : first + 10].mean():.0%}" for first in (0, 40, 90)]
            yield f"| {name} | {label} | " + " | ".join(cells) + " |"
    yield ""


def varying_rates(trials: int, rng: np.random.Generator) -> Iterator[str]:
    yield "## Rates that vary"
    yield ""
    yield (
        "Missing values and other bad ones: one-sided p-values of a window's rate where nothing changed, but the rate "
        "itself varies from block to block. False alarms in multiples of alpha, by Fisher's exact test, which takes "
        f"rows for independent, and with the blocks; {trials:,} trials, one standard error is "
        f"{np.sqrt(1 / (0.01 * trials)):.2f} at 0.01 and {np.sqrt(1 / (0.001 * trials)):.2f} at 0.001. A burst that "
        "the baseline's blocks did not have is an alarm and should be: eight blocks have none in a sixth of the cases."
    )
    yield ""
    yield "| rate | rows | exact: 0.01, 0.001 | 8 blocks: 0.01, 0.001 | 24 blocks: 0.01, 0.001 |"
    yield "|---|---|---|---|---|"

    def log_odds_by(spread: float):
        return lambda base, shape: 1.0 / (1.0 + (1.0 / base - 1.0) * np.exp(spread * rng.standard_normal(shape)))

    kinds = {
        "constant": lambda base, shape: np.full(shape, base),
        "log odds vary by 0.3": log_odds_by(0.3),
        "log odds vary by 1": log_odds_by(1.0),
        "beta distributed, shape 1": lambda base, shape: rng.beta(1.0, 1.0 / base - 1.0, shape),
        "tenfold in a fifth of the blocks": lambda base, shape: base * np.where(rng.random(shape) < 0.2, 10.0, 1.0),
    }
    for name, draw in kinds.items():
        for base, n in ((0.01, 200), (0.01, 5000), (0.05, 5000)):
            cells = []
            for blocks in (24, 8):
                k = rng.binomial(n, draw(base, (blocks + 1, trials)))
                rows = np.full(k.shape, n)
                p = excess_among_blocks_p_value(k[-1], rows[-1], block_k=k[:-1], block_n=rows[:-1])
                cells.insert(0, f"{rate(p, 0.01):.2f}, {rate(p, 0.001):.1f}")
            exact = excess_p_value(k[-1], n, k[:-1].sum(axis=0), n * 8)
            cells.insert(0, f"{rate(exact, 0.01):.1f}, {rate(exact, 0.001):.0f}")
            yield f"| {base:.0%}, {name} | {n:,} | " + " | ".join(cells) + " |"
    yield ""
    yield "What that costs where the rate is constant, detected at 0.001:"
    yield ""
    yield "| from 1 % to | rows | exact | 8 blocks | 24 blocks |"
    yield "|---|---|---|---|---|"
    for n, to in ((200, 0.06), (1000, 0.03), (5000, 0.018)):
        found = []
        for blocks in (24, 8):
            k, k0 = rng.binomial(n, to, trials), rng.binomial(n, 0.01, (blocks, trials))
            rows = np.full(k0.shape, n)
            found.insert(0, excess_among_blocks_p_value(k, rows[0], block_k=k0, block_n=rows))
        found.insert(0, excess_p_value(k, n, k0.sum(axis=0), 8 * n))
        yield f"| {to:.1%} | {n:,} | " + " | ".join(f"{(p <= 0.001).mean():.0%}" for p in found) + " |"
    yield ""
    yield from _bursts(trials, rng)


def _bursts(trials: int, rng: np.random.Generator) -> Iterator[str]:
    rows = 5000
    yield (
        f"Bursts by how many of the baseline's blocks had one (1 % of {rows:,} rows, tenfold in a fifth of the blocks "
        "and windows): the share of baselines that had so many, and of their windows with a burst the share called at "
        "0.001. Where no block had one, nothing tells a burst from an incident, and where one of many had, that may be "
        "the incident: such windows are called. This is a limit, and matters where a baseline is shorter than five "
        "times or so what lies between two bursts."
    )
    yield ""
    yield "| blocks | none | one | two | three or more |"
    yield "|---|---|---|---|---|"
    for blocks in (8, 24):
        burst = rng.random((blocks, trials)) < 0.2
        k0 = rng.binomial(rows, np.where(burst, 0.1, 0.01))
        k = rng.binomial(rows, 0.1, trials)
        p = excess_among_blocks_p_value(k, np.full(trials, rows), block_k=k0, block_n=np.full(k0.shape, rows))
        had = np.minimum(burst.sum(axis=0), 3)
        cells = [f"{np.mean(had == n):.1%}: {np.mean(p[had == n] <= 0.001):.0%}" for n in range(4)]
        yield f"| {blocks} | " + " | ".join(cells) + " |"
    yield ""
