from __future__ import annotations

import logging

import pytest

from driftmeter.recorder._guard import Guard


@pytest.fixture
def guard() -> Guard:
    made = Guard()
    made.raises = False
    return made


def test_an_error_is_swallowed_counted_and_logged_with_its_traceback(guard, caplog) -> None:
    with guard:
        raise ValueError("ours")
    assert guard.swallowed == 1
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("driftmeter", logging.WARNING)
    assert "ours" in record.getMessage()
    assert record.exc_info is not None


def test_only_the_first_few_are_logged_and_the_last_of_them_says_so(guard, caplog) -> None:
    for _ in range(50):
        with guard:
            raise ValueError("ours")
    assert guard.swallowed == 50
    assert len(caplog.records) == 5
    assert "further ones are only counted" in caplog.records[-1].getMessage()
    assert "further ones" not in caplog.records[-2].getMessage()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_is_not_swallowed(error, guard) -> None:
    with pytest.raises(error), guard:
        raise error
    assert guard.swallowed == 0


def test_under_pytest_errors_are_raised_and_elsewhere_not(monkeypatch) -> None:
    guard = Guard()
    with pytest.raises(ValueError, match="ours"), guard:
        raise ValueError("ours")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with guard:
        raise ValueError("ours")
    assert guard.swallowed == 1
