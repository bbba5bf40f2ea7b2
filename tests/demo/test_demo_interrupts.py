from __future__ import annotations

import os
import signal

import pytest

from driftmeter.demo._interrupts import Interrupts


def _press(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_polite_signal_is_a_keyboard_interrupt(number):
    with pytest.raises(KeyboardInterrupt), Interrupts().installed():
        _press(number)


def test_an_interrupt_waits_until_the_held_block_is_done():
    done = []
    interrupts = Interrupts()

    def start_a_process() -> None:
        with interrupts.held():
            _press()
            done.append("started and remembered")

    with pytest.raises(KeyboardInterrupt), interrupts.installed():
        start_a_process()
    assert done == ["started and remembered"]


def test_a_second_interrupt_does_not_break_the_clean_up_of_the_first():
    cleaned = False
    interrupts = Interrupts()
    with interrupts.installed():
        try:
            _press()
        except KeyboardInterrupt:
            _press()
            cleaned = True
    assert cleaned


def test_the_handlers_from_before_are_back_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts().installed():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
