"""The gateway's log: a line an entry, whatever is in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from driftmeter.gateway import log_to

HOSTILE = "a\nERROR b\x1b[2J\u202e\x00 é"


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("driftmeter")
    kept = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    ours.setLevel(kept[2])


@pytest.mark.parametrize("style", ["text", "json"])
def test_names_that_strangers_chose_neither_begin_a_line_nor_speak_to_the_terminal(style: str) -> None:
    stream = StringIO()
    log_to(stream, style=style)
    logging.getLogger("driftmeter.gateway").warning("model %s", HOSTILE)
    [line] = stream.getvalue().splitlines()
    assert line.isprintable()
    if style == "text":
        assert line.endswith("WARNING model a\\nERROR b\\x1b[2J\\u202e\\x00 é")
    else:
        assert json.loads(line)["message"] == f"model {HOSTILE}"


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_keeps_its_lines_in_text_and_is_one_in_json(style: str) -> None:
    stream = StringIO()
    log_to(stream, style=style)
    try:
        int("why")
    except ValueError:
        logging.getLogger("driftmeter.gateway").exception("it failed")
    assert (len(stream.getvalue().splitlines()) == 1) == (style == "json")
    assert "ValueError: invalid literal" in stream.getvalue()


def test_others_are_heard_from_warnings_on_and_driftmeter_from_information() -> None:
    stream = StringIO()
    log_to(stream, style="json")
    logging.getLogger("aiohttp").info("no")
    logging.getLogger("aiohttp").warning("yes")
    logging.getLogger("driftmeter.gateway").info("yes")
    logging.getLogger("driftmeter.gateway").debug("no")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["yes", "yes"]
