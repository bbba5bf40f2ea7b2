"""OTLP in, next step, OTLP out, as files; `python tools/golden.py` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import golden  # noqa: E402  # a script, not a package

CASES = sorted(path.name for path in golden.FOLDER.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", CASES)
def test_what_comes_in_gives_what_is_written_down(name: str) -> None:
    steps = list(golden.replay(golden.FOLDER / name))
    assert len(steps) >= 3
    for path, said in steps:
        wanted = json.loads(path.read_text(encoding="utf-8"))
        assert golden.alike(said, wanted) or said == wanted  # the latter for pytest's words


def test_every_case_of_the_script_is_there_and_no_other() -> None:
    assert sorted(golden.cases()) == CASES


def test_numbers_are_compared_to_six_digits_and_all_else_exactly() -> None:
    assert golden.alike({"a": [1.0, "x"]}, {"a": [1.0 + 1e-9, "x"]})
    assert not golden.alike({"a": 1.0}, {"a": 1.00001})
    assert not golden.alike({"a": "x"}, {"a": "y"})
    assert not golden.alike([1.0], [1.0, 2.0])
