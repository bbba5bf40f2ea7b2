from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import attrs
import numpy as np
import pydantic
import pytest

from driftmeter.tables import UnreadableError, tabulate


@dataclasses.dataclass
class Dataclass:
    UNIT: ClassVar[str] = "years"
    age: int
    city: str | None = None


class Model(pydantic.BaseModel):
    age: int
    city: str | None = None


@attrs.define
class Attrs:
    age: int
    city: str | None = None


class Tuple(NamedTuple):
    age: int
    city: str | None = None


@pytest.mark.parametrize("record", [Dataclass, Model, Attrs, Tuple])
def test_records_are_rows_with_the_names_of_their_fields(record) -> None:
    table = tabulate([record(age=31, city="Bonn"), record(age=44)], names=["x", "y"])
    assert (table.names, table.named, table.rows) == (("age", "city"), True, 2)
    assert [list(table.column(at)) for at in range(2)] == [[31, 44], ["Bonn", None]]


def test_records_among_others_cannot_be_read() -> None:
    with pytest.raises(UnreadableError, match="mappings"):
        tabulate([Dataclass(1), 3])


def test_numbers_of_numpys_and_plain_tuples_are_no_records() -> None:
    assert tabulate([(1, 2), (3, 4)]).names == ("f0", "f1")
    assert tabulate([np.float64(1), np.float64(2)]).names == ("f0",)
