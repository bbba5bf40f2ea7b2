from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr, ndtri

from driftmeter.stats import DesignEffect, estimate_design_effect, homogeneity_p_values
from driftmeter.stats._overdispersion import _spectrum

BINS = 20


def windows(
    columns: int, count: int, rows: int, *, together: int, alike: float, baseline: int, seed: int, mu: float = 0.0
) -> np.ndarray:
    """Counts (count, columns, bins) of normal columns where `together` rows share a state; `mu` after the baseline."""
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((columns, count, rows // together))
    values = np.sqrt(alike) * np.repeat(states, together, axis=2)
    values += np.sqrt(1.0 - alike) * rng.standard_normal((columns, count, rows))
    values[:, baseline:] += mu
    result = np.empty((count, columns, BINS))
    for i, column in enumerate(values):
        edges = np.quantile(column[:baseline], np.arange(1, BINS) / BINS)
        for j, window in enumerate(column):
            result[j, i] = np.bincount(np.searchsorted(edges, window), minlength=BINS)
    return result


@pytest.mark.parametrize(("blocks", "allowed"), [(40, 1.5), (10, 2.0)])
def test_rows_that_share_a_state_do_not_raise_false_alarms(blocks: int, allowed: float) -> None:
    counts = windows(60, blocks + 10, 2000, together=50, alike=0.5, baseline=blocks, seed=1)
    effect = estimate_design_effect(counts[:blocks], ordered=True)
    baseline = counts[:blocks].sum(axis=0)
    live = counts[blocks:]
    p = np.array([homogeneity_p_values(w, baseline, ordered=True, design_effect=effect) for w in live])
    independent = np.array([homogeneity_p_values(w, baseline, ordered=True) for w in live])
    assert (independent <= 0.05).mean() > 0.5
    assert (p <= 0.05).mean() <= allowed * 0.05 + 3 * np.sqrt(0.05 / p.size)
    assert (p <= 0.01).mean() <= allowed * 0.01 + 3 * np.sqrt(0.01 / p.size)


def test_independent_rows_keep_their_power() -> None:
    counts = windows(100, 44, 1000, together=1, alike=0.0, baseline=40, seed=2, mu=0.19)
    effect = estimate_design_effect(counts[:40], ordered=True)
    baseline = counts[:40].sum(axis=0)
    cautious, plain = (
        np.mean([homogeneity_p_values(w, baseline, ordered=True, design_effect=e) <= 1e-4 for w in counts[40:]])
        for e in (effect, None)
    )
    assert cautious >= 0.9 * plain


def test_a_clear_change_is_detected_among_dependent_rows() -> None:
    counts = windows(20, 41, 2000, together=50, alike=0.5, baseline=40, seed=3, mu=1.5)
    effect = estimate_design_effect(counts[:40], ordered=True)
    p = homogeneity_p_values(counts[40], counts[:40].sum(axis=0), ordered=True, design_effect=effect)
    assert effect.dependent.all()
    assert (p < 1e-4).all()


def test_the_factor_is_the_number_of_rows_that_count_as_one() -> None:
    # Ten identical rows at a time: the variance of every share is ten times the multinomial one.
    rng = np.random.default_rng(4)
    blocks = 10 * rng.multinomial(200, np.full(10, 0.1), size=(400, 5))
    effect = estimate_design_effect(blocks, ordered=True)
    np.testing.assert_allclose(effect.omnibus.factor, 10.0, rtol=0.1)
    np.testing.assert_allclose(effect.cumulative.factor, 10.0, rtol=0.15)
    assert effect.dependent.all()


def test_independent_blocks_have_a_factor_of_one_and_all_directions() -> None:
    rng = np.random.default_rng(5)
    effect = estimate_design_effect(rng.multinomial(1000, np.full(10, 0.1), size=(200, 50)), ordered=False)
    assert effect.dependent.mean() < 0.2
    assert effect.omnibus.factor.max() < 1.2
    assert effect.omnibus.freedom.min() > 3.5  # nine directions, and half of that for tails that may be heavy


def test_a_column_that_varies_less_than_chance_keeps_the_scale_of_independent_rows() -> None:
    timetable = np.tile(np.full((1, 1, 4), 250), (20, 1, 1))
    effect = estimate_design_effect(timetable, ordered=True)
    assert effect.omnibus.factor == [1.0]
    assert not effect.dependent.any()


def test_too_few_blocks_count_as_independent() -> None:
    rng = np.random.default_rng(6)
    blocks = 50 * rng.multinomial(20, np.full(5, 0.2), size=(3, 2))
    assert not estimate_design_effect(blocks, ordered=True).dependent.any()
    assert estimate_design_effect(np.zeros((0, 2, 5)), ordered=True).blocks.tolist() == [0.0, 0.0]


def test_a_block_set_to_zero_is_not_learned_from() -> None:
    rng = np.random.default_rng(7)
    blocks = 20 * rng.multinomial(50, np.full(5, 0.2), size=(12, 3)).astype(float)
    drifted = np.zeros((1, 3, 5))
    drifted[:, 0, 0] = 1000.0
    blanked = drifted.copy()
    blanked[:, 0] = 0.0
    without = estimate_design_effect(blocks, ordered=True)
    left_out = estimate_design_effect(np.concatenate([blocks, blanked]), ordered=True)
    learned = estimate_design_effect(np.concatenate([blocks, drifted]), ordered=True)
    for field in dataclasses.fields(without.omnibus):
        np.testing.assert_allclose(getattr(left_out.omnibus, field.name), getattr(without.omnibus, field.name))
    assert left_out.blocks.tolist() == [12.0, 12.0, 12.0]
    assert learned.omnibus.factor[0] > 2 * without.omnibus.factor[0]


def test_the_same_whichever_of_the_two_matrices_is_smaller() -> None:
    rng = np.random.default_rng(8)
    blocks = 5 * rng.multinomial(100, np.full(8, 0.125), size=(30, 2)).astype(float)
    padded = np.pad(blocks, ((0, 0), (0, 0), (0, 40)))
    short, wide = (estimate_design_effect(b, ordered=True) for b in (blocks, padded))
    for field in dataclasses.fields(short.omnibus):
        np.testing.assert_allclose(getattr(short.omnibus, field.name), getattr(wide.omnibus, field.name), rtol=0.02)
        np.testing.assert_allclose(
            getattr(short.cumulative, field.name), getattr(wide.cumulative, field.name), rtol=0.02
        )


def test_a_window_with_more_traffic_is_given_more_room() -> None:
    rng = np.random.default_rng(9)
    blocks = 20 * rng.multinomial(100, np.full(5, 0.2), size=(40, 1)).astype(float)
    effect = estimate_design_effect(blocks, ordered=False)
    live = np.array([[500.0, 420.0, 380.0, 350.0, 350.0]])
    baseline = blocks.sum(axis=0)
    as_long = homogeneity_p_values(live, baseline, ordered=False, design_effect=effect)
    busier = homogeneity_p_values(live * 5, baseline, ordered=False, design_effect=effect)
    # Five times the rows of as many states say the same; as independent rows they would say far more.
    assert busier > as_long / 10
    assert homogeneity_p_values(live * 5, baseline, ordered=False) < as_long / 1e10


def test_blocks_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(T, d, B\), got \(4, 5\)"):
        estimate_design_effect(np.ones((4, 5)), ordered=True)


def served(seed: int, *, drift: np.ndarray | float = 0.0) -> np.ndarray:
    """Ten blocks and a hundred windows after them, of 30 columns whose windows' means scatter by 0.1."""
    rng = np.random.default_rng(seed)
    moved = np.zeros((110, 1, 1))
    moved[10:] += np.reshape(drift, (-1, 1, 1))
    edges = ndtri(np.arange(1, BINS) / BINS)
    below = ndtr(edges - (0.1 * rng.standard_normal((110, 30, 1)) + moved))
    shares = np.diff(np.concatenate([np.zeros((110, 30, 1)), below, np.ones((110, 30, 1))], axis=2), axis=2)
    return rng.multinomial(2000, shares).astype(float)


def test_past_windows_make_the_estimate_surer() -> None:
    counts = served(10)
    alone = estimate_design_effect(counts[:10], ordered=True).cumulative
    refined = estimate_design_effect(counts[:10], ordered=True, history=counts[10:74]).cumulative
    assert refined.scale_freedom.mean() > 3 * alone.scale_freedom.mean()
    assert refined.factor.std() < 0.7 * alone.factor.std()
    assert refined.factor.mean() == pytest.approx(alone.factor.mean(), rel=0.25)


@pytest.mark.parametrize(
    "drift",
    [np.full(100, 0.5), np.linspace(0.0, 0.5, 100), np.repeat([0.0, 0.5], 50)],
    ids=["moved from the start", "moves slowly", "moves at once"],
)
def test_a_drift_is_not_learned_as_normal(drift: np.ndarray) -> None:
    quiet, drifted = served(11), served(11, drift=drift)
    without, learned = (
        estimate_design_effect(counts[:10], ordered=True, history=counts[46:]).cumulative.factor
        for counts in (quiet, drifted)
    )
    assert (learned / without).mean() < 1.4
    effect = estimate_design_effect(drifted[:10], ordered=True, history=drifted[46:])
    p = homogeneity_p_values(drifted[-1], drifted[:10].sum(axis=0), ordered=True, design_effect=effect)
    assert (p <= 0.01).mean() > 0.8


def test_a_few_outlandish_windows_hardly_count() -> None:
    counts = served(12)
    spoilt = counts.copy()
    spoilt[[20, 40, 60]] = 0.0
    spoilt[[20, 40, 60], :, 0] = 2000.0
    clean, robust = (
        estimate_design_effect(c[:10], ordered=True, history=c[10:74]).omnibus.factor for c in (counts, spoilt)
    )
    assert (robust / clean).mean() < 1.6


def test_past_windows_left_out_change_nothing() -> None:
    counts = served(13)
    alone = estimate_design_effect(counts[:10], ordered=True)
    none = estimate_design_effect(counts[:10], ordered=True, history=np.zeros((20, 30, BINS)))
    for field in dataclasses.fields(alone.omnibus):
        np.testing.assert_allclose(getattr(none.omnibus, field.name), getattr(alone.omnibus, field.name))
        np.testing.assert_allclose(getattr(none.cumulative, field.name), getattr(alone.cumulative, field.name))


def test_blocks_that_saw_more_than_the_past_windows_count_alone() -> None:
    # Blocks of all hours of a day, windows of one night: the night varies less, but the day is normal.
    counts = served(14)
    day = 0.8 * np.sin(np.arange(10) * 2 * np.pi / 10)[:, None, None]
    below = ndtr(ndtri(np.arange(1, BINS) / BINS) - day)
    shares = np.diff(np.concatenate([np.zeros((10, 1, 1)), below, np.ones((10, 1, 1))], axis=2), axis=2)
    blocks = np.random.default_rng(14).multinomial(2000, np.broadcast_to(shares, (10, 30, BINS))).astype(float)
    alone = estimate_design_effect(blocks, ordered=True).cumulative.factor
    refined = estimate_design_effect(blocks, ordered=True, history=counts[46:]).cumulative.factor
    np.testing.assert_allclose(refined, alone, rtol=0.25)


def test_a_history_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"history must have shape \(H, d, B\) with \(2, 5\)"):
        estimate_design_effect(np.ones((4, 2, 5)), ordered=True, history=np.ones((4, 2, 6)))


def test_the_mean_counts_only_where_rows_are_alike_and_bins_ordered() -> None:
    counts = served(15)
    effect = estimate_design_effect(counts[:10], ordered=True)
    live, baseline = counts[20], counts[:10].sum(axis=0)
    far = np.full(30, 1e-9)
    plain = homogeneity_p_values(live, baseline, ordered=True, design_effect=effect)
    combined = homogeneity_p_values(live, baseline, ordered=True, design_effect=effect, block_mean_p=far)
    np.testing.assert_allclose(combined[effect.dependent], 2e-9, rtol=0.01)
    np.testing.assert_array_equal(combined[~effect.dependent], plain[~effect.dependent])
    unknown = np.full(30, np.nan)
    same = homogeneity_p_values(live, baseline, ordered=True, design_effect=effect, block_mean_p=unknown)
    np.testing.assert_array_equal(same, plain)
    unordered = [
        homogeneity_p_values(live, baseline, ordered=False, design_effect=effect, block_mean_p=p) for p in (far, None)
    ]
    np.testing.assert_array_equal(*unordered)


@pytest.mark.parametrize(("blocks", "directions"), [(8, 30), (40, 12), (30, 30)])
def test_the_spectrum_is_that_of_the_covariance(blocks: int, directions: int) -> None:
    rng = np.random.default_rng([blocks, directions])
    deviations = rng.standard_normal((blocks, 6, directions)) * rng.gamma(1.0, 1.0, (1, 6, directions))
    deviations[:, 5] = 0.0
    eigenvalues = np.array([np.linalg.eigvalsh(e.T @ e) for e in np.moveaxis(deviations, 1, 0)])
    total, square, largest = _spectrum(deviations)
    np.testing.assert_allclose(total, eigenvalues.sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(square, (eigenvalues**2).sum(axis=1), atol=1e-9)
    np.testing.assert_allclose(largest, eigenvalues[:, -1], rtol=0.01, atol=1e-12)


def test_columns_estimated_apart_and_gathered_are_what_they_are_estimated_together() -> None:
    rng = np.random.default_rng(21)
    blocks = rng.multinomial(500, np.full(8, 1 / 8), (12, 5)).astype(float)
    together = estimate_design_effect(blocks, ordered=True)
    # Columns with fewer bins are padded, and bins that are padding are left out again.
    parts = [
        (estimate_design_effect(np.pad(blocks[:, :2], ((0, 0), (0, 0), (0, 3))), ordered=True), np.array([1, 0])),
        (estimate_design_effect(blocks[:, 2:], ordered=True), np.array([2, 0])),
    ]
    gathered, expected = DesignEffect.gathered(parts, bins=8), together.take(np.array([1, 0, 4, 2]))
    for name in ("share", "blocks", "rows", "correlation", "dependent"):
        assert_allclose(getattr(gathered, name), getattr(expected, name))
    for name in ("factor", "mean", "lead", "freedom", "scale_freedom"):
        for statistic in ("omnibus", "cumulative"):
            assert_allclose(getattr(getattr(gathered, statistic), name), getattr(getattr(expected, statistic), name))


def test_what_many_categories_vary_too_little_to_contradict_independence_still_counts() -> None:
    rng = np.random.default_rng(11)
    moved = rng.dirichlet(np.full(64, 60.0), size=(15, 400))  # as a design effect of 1.13 with 500 rows
    counts = rng.multinomial(500, moved).astype(float)
    effect = estimate_design_effect(counts[:10], ordered=False)
    assert np.mean(effect.dispersion) == pytest.approx(1.13, abs=0.03)
    quiet = ~effect.dependent
    assert 0.1 < quiet.mean() < 0.9
    baseline = counts[:10].sum(axis=0)
    called = [
        np.mean(
            [
                homogeneity_p_values(live, baseline, ordered=False, design_effect=of)[quiet] <= 0.01
                for live in counts[10:]
            ]
        )
        for of in (effect, None)
    ]
    assert called[0] <= 0.025
    assert called[1] >= 1.5 * called[0]
    few = estimate_design_effect(counts[:10, :, :8], ordered=False)
    assert (few.dispersion == 1.0).all()
    assert (estimate_design_effect(counts[:10], ordered=True).dispersion == 1.0).all()
