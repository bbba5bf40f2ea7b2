from __future__ import annotations

from driftmeter.demo._summary import summarize
from driftmeter.demo._windows import Event

WARMER = "temp: 71-103 went from 2 % to 38 % of rows, 12-33 from 44 % to 0 %; PSI 4.1, p < 1e-12, 6,500 rows"


def _event(name, column, body, time=1000.0, check=""):
    return Event(name, column, check, body, time)


def test_it_says_which_column_moved_when_how_often_and_from_where_to_where(window):
    windows = [window(0, temp=0.01, hour=0.0), window(1, temp=0.5, hour=0.0), window(2, temp=4.1, hour=0.0)]
    lines = summarize(
        windows,
        [_event("ml.skew.detected", "temp", WARMER)],
        shuffled=False,
        tell=lambda column, of: f"{column}: 80-100 from 0 % to 60 %; PSI {of.stretch.rows}, p < 1e-12",
    )
    text = "\n".join(lines)
    assert "19,500 flights in 3 windows, 2013-03-01 to 2013-03-21." in text
    assert (
        "  temp: moved in 2 of 3 windows\n"
        "    first 2013-03-08/2013-03-14: 71-103 went from 2 % to 38 % of rows, 12-33 from 44 % to 0 %; PSI 4.1\n"
        "    furthest 2013-03-15/2013-03-21: 80-100 from 0 % to 60 %; PSI 6500\n"
    ) in text
    assert "Quiet throughout: hour." in text


def test_the_first_of_a_columns_events_is_told(window):
    events = [
        _event("ml.skew.detected", "temp", "temp: spring", 1.0),
        _event("ml.skew.resolved", "temp", "temp: as before", 2.0),
        _event("ml.skew.detected", "temp", "temp: summer", 3.0),
    ]
    text = "\n".join(summarize([window(0, temp=0.5)], events, shuffled=False))
    assert "spring" in text
    assert "summer" not in text
    assert "as before" not in text


def test_what_no_event_told_is_told_from_the_window_itself(window):
    """An event can be lost; and the furthest window has none where the verdict stood already."""
    told = "hour: many small moves, 4 % of rows in all, most 15-17 from 22 % to 21 %; PSI 0.0084, p = 0.0002, 650 rows"
    lines = summarize([window(0, hour=0.2), window(1, hour=0.3)], [], shuffled=False, tell=lambda *_: told)
    brief = "many small moves, 4 % of rows in all, most 15-17 from 22 % to 21 %; PSI 0.0084"
    assert [line.partition(": ")[2] for line in lines if line.startswith("    ")] == [brief, brief]


def test_the_column_that_moved_furthest_comes_first(window):
    windows = [window(0, dewp=0.5, temp=0.2), window(1, dewp=0.5, temp=0.7)]
    lines = [line.split(":")[0].strip() for line in summarize(windows, [], shuffled=False) if ": moved" in line]
    assert lines == ["temp", "dewp"]


def test_quiet_is_said_with_the_number_of_verdicts(window):
    text = "\n".join(summarize([window(0, temp=0.0, hour=0.0), window(1, temp=0.0)], [], shuffled=True))
    assert "Nothing moved: 3 verdicts on 2 columns" in text
    assert "Data quality: every check was kept." in text


def test_in_the_control_a_verdict_is_called_a_false_alarm(window):
    text = "\n".join(summarize([window(0, temp=0.5, hour=0.0)], [], shuffled=True))
    assert "false alarms: 1 of 2 verdicts" in text


def test_quality_findings_are_told_with_their_first_event(window):
    windows = [window(0, temp=0.0), window(1, temp=0.0, violated=("pressure",))]
    event = _event("ml.quality.violated", "pressure", "pressure: 38 % missing, 12 % in training", check="missing")
    text = "\n".join(summarize(windows, [event], shuffled=False))
    assert "pressure: missing in 1 of 2 windows, first 2013-03-08/2013-03-14" in text
    assert "\n    38 % missing, 12 % in training" in text


def test_columns_that_fail_together_share_a_line(window):
    windows = [window(0, violated=("temp", "dewp", "pressure")), window(1, violated=("pressure",))]
    lines = [line.strip() for line in summarize(windows, [], shuffled=False)]
    assert "temp, dewp: missing in 1 of 2 windows, first 2013-03-01/2013-03-07" in lines
    assert "pressure: missing in 2 of 2 windows, first 2013-03-01/2013-03-07" in lines


def test_too_few_rows_are_said(window):
    assert any("needs more rows" in line for line in summarize([window(0)], [], shuffled=False))


def test_no_window_and_lost_windows_are_said():
    text = "\n".join(summarize([], [], shuffled=False, lost=2))
    assert "No window was complete" in text
    assert "2 more windows" in text
