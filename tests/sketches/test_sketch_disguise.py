"""What stands for category names that are not to be told."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from driftmeter.sketches import CategoricalSketch, Disguise, NumericSketch, merge_sketches

SKETCH = CategoricalSketch({"AA": 5, "UA": 3}, other=1, missing=2, mismatched=4, error=1)


def test_a_digest_is_the_documented_one() -> None:
    plain = "#" + blake2b(b"AA", digest_size=6).hexdigest()
    keyed = "#" + blake2b(b"AA", digest_size=6, key=blake2b(b"secret").digest()).hexdigest()
    assert (Disguise("hashed").name("AA"), Disguise("hashed", "secret").name("AA")) == (plain, keyed)
    assert plain != keyed
    assert len(keyed) == 13


def test_counts_stay_and_names_go() -> None:
    disguise = Disguise("hashed", "secret")
    hashed = disguise.sketch(SKETCH)
    assert hashed.counts == {disguise.name("AA"): 5, disguise.name("UA"): 3}
    assert (hashed.other, hashed.missing, hashed.mismatched, hashed.error) == (1, 2, 4, 1)


def test_digests_merge_as_names_do() -> None:
    disguise = Disguise("hashed")
    more = CategoricalSketch({"UA": 1, "DL": 7})
    assert merge_sketches(disguise.sketch(SKETCH), disguise.sketch(more)) == disguise.sketch(
        merge_sketches(SKETCH, more)
    )


def test_of_withheld_names_the_number_of_values_is_left() -> None:
    withheld = Disguise("withheld").sketch(SKETCH)
    assert withheld == CategoricalSketch(other=9, missing=2, mismatched=4)
    assert (withheld.count, withheld.total) == (SKETCH.count, SKETCH.total)


@pytest.mark.parametrize("mode", ["hashed", "withheld"])
def test_what_is_no_name_and_what_is_no_category_stay(mode) -> None:
    assert Disguise(mode).name("__other__") == "__other__"
    numbers = NumericSketch.from_values([1.0, 2.0])
    assert Disguise(mode).sketch(numbers) is numbers


def test_a_baseline_of_digests_is_not_hashed_again_and_traffic_always_is() -> None:
    disguise = Disguise("hashed", "secret")
    once = disguise.sketch(SKETCH, known=True)
    assert disguise.sketch(once, known=True) == once
    looks_like_one = "#0123456789ab"
    assert disguise.name(looks_like_one) != looks_like_one
