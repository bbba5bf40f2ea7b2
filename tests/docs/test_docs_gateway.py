"""The page of the gateway explains every value of the outcome attribute of its metrics, and no other."""

from __future__ import annotations

from http import HTTPStatus

import grpc
import pytest
from docs_pages import ROOT

from driftmeter.gateway.core._own_metrics import NO_ROOM, SENT_OUTCOMES
from driftmeter.gateway.servers._answers import REQUEST_OUTCOMES, http_status, status_of
from driftmeter.gateway.streams import _outcomes

PAGE = (ROOT / "docs/gateway.md").read_text(encoding="utf-8")
TABLES = {
    "points": _outcomes.ALL,
    "requests": tuple(REQUEST_OUTCOMES.values()),
    "sending": (*SENT_OUTCOMES, NO_ROOM),
}


def rows(of: str) -> dict[str, list[str]]:
    """Return the cells of a table's rows, by their outcome."""
    section = PAGE.partition(f"### Outcomes of {of}\n")[2].partition("\n### ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {name.strip("`"): rest for name, *rest in cells}


@pytest.mark.parametrize("of", TABLES)
def test_every_outcome_is_explained_once_in_the_order_of_the_code(of: str) -> None:
    assert tuple(rows(of)) == TABLES[of]
    assert len(set(TABLES[of])) == len(TABLES[of])
    assert all(len(says) > 10 for says, *_ in rows(of).values())


@pytest.mark.parametrize(
    ("answer", "outcome"), [pair for pair in REQUEST_OUTCOMES.items() if pair[1] != "accepted"], ids=str
)
def test_the_answers_that_are_told_are_those_that_are_given(answer: type, outcome: str) -> None:
    _, told_grpc, told_http = rows("requests")[outcome]
    refusal = answer(reason="because")
    code = {code.value[0]: code for code in grpc.StatusCode}[status_of(refusal).code]
    assert told_grpc.split(",")[0] == code.name
    assert HTTPStatus(int(told_http.split(",")[0])) == http_status(refusal)
