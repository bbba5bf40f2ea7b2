from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftmeter.stats import CategoryCuts, bin_count, category_groups, equal_mass_groups

bucket_counts = st.lists(st.integers(0, 1000), min_size=1, max_size=60).filter(lambda c: sum(c) > 0)


@pytest.mark.parametrize(
    ("live", "baseline", "bins"),
    [
        (10, 20_000, 1),
        (40, 20_000, 4),
        (200, 20_000, 10),
        (1000, 20_000, 50),
        (10**6, 10**6, 50),
        (100_000, 1000, 12),
        (0, 0, 1),
    ],
)
def test_bins_follow_the_smaller_sample(live: int, baseline: int, bins: int) -> None:
    assert bin_count(live, baseline) == bins


def test_never_more_bins_than_allowed() -> None:
    assert bin_count(10**6, 10**6, max_bins=10) == 10
    with pytest.raises(ValueError, match="max_bins must be 1 or more, got 0"):
        bin_count(100, 100, max_bins=0)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(1, 10))
def test_more_rows_never_give_fewer_bins(live: float, baseline: float, more: float) -> None:
    assert bin_count(live, baseline) <= bin_count(live * more, baseline * more)


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=30), min_size=1, max_size=5), st.integers(1, 20))
def test_columns_side_by_side_are_grouped_as_each_alone(columns: list[list[int]], n_bins: int) -> None:
    groups = equal_mass_groups(
        [count for counts in columns for count in counts], n_bins, sizes=[len(counts) for counts in columns]
    )
    assert groups.tolist() == [group for counts in columns for group in equal_mass_groups(counts, n_bins).tolist()]


@given(bucket_counts, st.integers(1, 20))
def test_groups_are_contiguous_and_none_is_empty(counts: list[int], n_bins: int) -> None:
    groups = equal_mass_groups(counts, n_bins)
    assert groups[0] == 0
    assert set(np.diff(groups)) <= {0, 1}
    occupied = [c for c in counts if c]
    assert (np.bincount(equal_mass_groups(occupied, n_bins), occupied) > 0).all()


@given(bucket_counts, st.integers(1, 20))
def test_a_bucket_of_a_bins_mass_is_a_bin_of_its_own(counts: list[int], n_bins: int) -> None:
    groups = equal_mass_groups(counts, n_bins)
    for bucket in np.flatnonzero(np.array(counts) >= sum(counts) / n_bins):
        assert (groups == groups[bucket]).sum() == 1


@given(bucket_counts, st.integers(1, 20))
def test_no_bin_of_light_buckets_holds_more_than_three_bins_mass(counts: list[int], n_bins: int) -> None:
    groups = equal_mass_groups(counts, n_bins)
    mass = np.bincount(groups, counts)
    alone = np.bincount(groups) == 1
    assert (mass[~alone] <= 3 * sum(counts) / n_bins).all()


def test_even_buckets_give_even_bins() -> None:
    assert equal_mass_groups(np.ones(640), 64).tolist() == np.repeat(np.arange(64), 10).tolist()


def test_a_zero_inflated_column_keeps_bins_for_the_rest() -> None:
    groups = equal_mass_groups(np.append([600], np.ones(400)), 20)
    assert groups[0] == 0
    assert np.bincount(groups)[1:].tolist() == [50] * 8


def test_nothing_to_group_is_one_group() -> None:
    assert equal_mass_groups([], 5).tolist() == []
    assert equal_mass_groups([0, 0], 5).tolist() == [0, 0]
    with pytest.raises(ValueError, match="n_bins must be 1 or more, got 0"):
        equal_mass_groups([1], 0)


def test_categories_too_rare_for_the_sample_share_the_last_bin() -> None:
    counts = [500, 20, 300, 5, 175]
    # Of 100 rows they should hold 50, 2, 30, 0.5 and 17.5.
    assert category_groups(counts, 100).tolist() == [0, 3, 1, 3, 2]
    assert category_groups(counts, 10_000).tolist() == [0, 1, 2, 3, 4]
    assert category_groups([0, 0], 100).tolist() == [0, 0]


def test_categories_that_are_alike_stand_alone_or_share_a_bin_together() -> None:
    counts = np.random.default_rng(0).poisson(50, 40)
    # 2,000 rows, of which 200 should hold 5 in half of the categories, by chance.
    assert CategoryCuts(counts).alone(200) == 40
    assert CategoryCuts([50] * 40, unnamed=3000).alone(500) == 0
    assert CategoryCuts([*counts, *[3] * 5]).alone(500) == 40


def test_where_too_much_was_seen_but_once_the_rare_are_no_bins_of_their_own() -> None:
    counts = [500, 300, 100, *[1] * 100]
    assert CategoryCuts(counts).alone(10_000) == 3
    assert CategoryCuts(counts[:3]).alone(10_000) == 3
    assert CategoryCuts([]).alone(100) == 0


def test_the_rest_is_spread_by_a_hash_where_it_has_most_of_the_rows() -> None:
    alike = CategoryCuts([5] * 200)
    assert [alike.buckets(rows, alone=0, most=128) for rows in (9, 10, 100, 400, 900)] == [1, 2, 16, 64, 128]
    heads = CategoryCuts([4000, *[5] * 200])
    assert heads.alone(1000) == 1
    assert heads.buckets(1000, alone=1, most=128) == 1
    most_are_rare = CategoryCuts([900, *[5] * 200])
    assert most_are_rare.alone(1000) == 1
    assert most_are_rare.buckets(1000, alone=1, most=128) == 64  # 526 rows, 5 each


def test_all_categories_can_have_a_bin_where_hardly_any_went_unseen() -> None:
    assert CategoryCuts([5000] * 200).all_alone(100)
    assert not CategoryCuts([5] * 190 + [1] * 10).all_alone(1000)
    assert not CategoryCuts([5] * 190, unnamed=50).all_alone(1000)
