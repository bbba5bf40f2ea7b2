"""Counts come back from rest as they were, and take little room there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from driftmeter.sketches import pack_counts, unpack_counts


@given(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)), max_size=40))
def test_counts_come_back_as_they_were(numbers) -> None:
    counts = np.array(numbers, dtype=np.int64)
    assert_array_equal(unpack_counts(pack_counts(counts), len(counts)), counts)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_counts_of_any_type_and_shape_come_back_as_int64_that_may_be_changed(dtype) -> None:
    counts = np.arange(12, dtype=dtype).reshape(3, 4)
    found = unpack_counts(pack_counts(counts.T), (4, 3))
    assert_array_equal(found, counts.T)
    assert found.dtype == np.int64
    found += 1


def test_no_counts_take_no_room() -> None:
    assert pack_counts(np.zeros((0, 7), dtype=np.int64)) == b""
    assert unpack_counts(b"", (0, 7)).shape == (0, 7)


def test_counts_take_about_as_much_as_their_entropy() -> None:
    rng = np.random.default_rng(0)
    assert len(pack_counts(rng.poisson(20.0, 6000))) < 6000 * 4.6 / 8
    assert len(pack_counts(np.zeros(6000, dtype=np.int64))) < 40
    assert len(pack_counts(np.full(6000, 100_000))) < 150
