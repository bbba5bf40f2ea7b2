from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from driftmeter.demo._json_view import JsonView, as_json
from driftmeter.demo._live_view import LiveView, sparkline
from driftmeter.demo._plain_view import block
from driftmeter.demo._windows import Event
from driftmeter.demo._wording import milliseconds, p_value

WARMER = Event("ml.skew.detected", "temp", "", "temp: 71-103 went from 2 % to 38 % of rows", 1000.0)


def test_the_json_object_of_a_window(window):
    assert as_json(window(0, hour=0.0, temp=4.1)) == {
        "window": "2013-03-01/2013-03-07",
        "rows": 6500,
        "columns": [
            {"name": "temp", "method": "psi", "distance": 4.1, "p_value": 1e-20, "detected": True},
            {"name": "hour", "method": "psi", "distance": 0.0, "p_value": 0.4, "detected": False},
        ],
        "share": 0.5,
    }


def test_json_writes_windows_to_standard_output_and_words_to_standard_error(window, capsys):
    view = JsonView()
    view.say("1 data")
    windows = [window(0, temp=0.0)]
    view.show(windows, total=2)
    windows.append(window(1, temp=float("inf")))
    view.show(windows, total=2)
    view.finish(["Nothing moved."])
    written = capsys.readouterr()
    objects = [json.loads(line) for line in written.out.splitlines()]
    assert [found["window"] for found in objects] == ["2013-03-01/2013-03-07", "2013-03-08/2013-03-14"]
    assert objects[1]["columns"][0]["distance"] is None
    assert written.err.splitlines() == ["1 data", "Nothing moved."]


def test_a_plain_block_names_what_moved_worst_first_and_what_is_quiet(window):
    lines = block(window(2, hour=0.0, dewp=0.5, temp=4.1, violated=("pressure",), events=(WARMER,)), number=3, total=44)
    assert lines[1].startswith("2013-03-15/2013-03-21  (3 of 44)  6,500 rows  p50 8.1 ms  p99 14.2 ms  2 of 3 features")
    assert [line.split()[0] for line in lines[2:4]] == ["temp", "dewp"]
    assert lines[4] == "  quiet: hour"
    assert lines[5] == "  quality: pressure missing 38 %"
    assert lines[6] == "  ml.skew.detected  temp: 71-103 went from 2 % to 38 % of rows"


def _drawn(windows, *, width, height=40):
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    view = LiveView(console)
    for at in range(len(windows)):
        view.show(windows[: at + 1], total=44)
    view.finish(["  temp: in 1 of 1 windows"])
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_table_fits_the_terminal_and_keeps_every_verdict(window, width):
    windows = [window(at, temp=4.1, hour=0.0, events=(WARMER,)) for at in range(44)]
    text = _drawn(windows, width=width)
    last = text[text.rindex("flight-delay 1") :]
    assert "(44 of 44)" in last
    assert "psi 4.100" in last
    assert "<1e-12" in last
    assert "quiet" in last
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).splitlines()) <= width


def test_a_wide_table_says_what_moved_beside_the_column(window):
    text = _drawn([window(0, temp=4.1, events=(WARMER,))], width=160)
    row = next(line for line in text.splitlines() if line.startswith("temp"))
    assert "71-103 went from 2 % to 38 %" in row


def test_a_low_terminal_gets_the_worst_columns_and_the_number_of_the_rest(window):
    distances = {f"c{at:02d}": 0.2 + at for at in range(30)}
    text = _drawn([window(0, **distances)], width=100, height=24)
    assert "c29" in text
    assert "c00" not in text
    assert "more" in text


def test_the_history_rises_with_the_distance_and_leaves_a_gap_without_a_verdict(window):
    drawn = sparkline([window(0, temp=0.0), window(1), window(2, temp=1.0), window(3, temp=4.0)], "temp")
    assert drawn.plain == "▁ ▅█"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "<1e-12"), (3.2e-5, "3e-05"), (0.0421, "0.042"), (1.0, "1")]
)
def test_p_values_are_short(value, text):
    assert p_value(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.00812, "8.1 ms"), (0.25, "250 ms")])
def test_latencies_are_short(value, text):
    assert milliseconds(value) == text
