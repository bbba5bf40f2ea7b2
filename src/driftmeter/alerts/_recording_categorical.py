"""Recording rules of categorical columns: a window's shares by category of the baseline, and of all others.

As in the processor, a category stands alone where the window, or the baseline if that has fewer rows, should hold five
rows of it; the others are one bin, with the categories that the baseline does not know. One that would be alone in that
bin stands alone too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from driftmeter import semconv
from driftmeter.alerts._recording_settings import (
    BASELINE_ROWS,
    BASELINE_SHARE,
    CATEGORIES,
    IDS,
    LABELS,
    ROWS,
    SHARE,
    Recording,
    Rule,
    any_of,
    column_labels,
    labelled,
)
from driftmeter.alerts._text import number, pattern
from driftmeter.processor import CategoricalGrid
from driftmeter.prometheus_names import metric_name
from driftmeter.sketches import OTHER

KNOWN: Final = "driftmeter:baseline_category:rows"
_BIN: Final = f"{LABELS}, bin"
_EXPECTED: Final = 5


class CategoricalColumn:
    """The rules of one column."""

    def __init__(self, grid: CategoricalGrid, recording: Recording) -> None:
        self.grid = grid
        self._recording = recording
        self.column = grid.column

    def rules(self) -> Iterator[Rule]:
        """Yield the rules that come after those of categories and rows."""
        recorded = self._recording.of
        labels = column_labels(self.column)
        rows, known = recorded(ROWS, self.column), recorded(KNOWN, self.column)
        named = [int(count) for count in self.grid.baseline[:-1]]
        total = int(self.grid.baseline.sum())
        enough = max(self._recording.min_rows, self._recording.least_rows or 1)
        yield Rule(BASELINE_ROWS, f"{rows} * 0 + {number(total)}", labels)
        known_rows = zip(self.grid.names, named, strict=True)
        constants = [labelled(f"({rows} >= {enough}) * 0 + {count}", bin=name) for name, count in known_rows]
        yield Rule(KNOWN, any_of(constants), labels)
        alone = f"{known} * on ({LABELS}) group_left () clamp_max({rows}, {total}) >= {number(_EXPECTED * sum(named))}"
        rare = f"({known} unless on ({_BIN}) ({alone}))"
        single = f"({rare} and on ({LABELS}) (count by ({LABELS}) {rare} == 1))"
        kept = f"({known} and on ({_BIN}) ({alone}) or {single})"
        # In whole rows: a rest of 1e-16 is not the same as none.
        rest = f"({total} - sum by ({LABELS}) ({kept})) / {total}"
        yield Rule(BASELINE_SHARE, f"{kept} / {total}\nor {labelled(rest, bin=OTHER)}", labels)
        yield from self._live_shares()

    def _live_shares(self) -> Iterator[Rule]:
        recorded = self._recording.of
        labels = column_labels(self.column)
        bins = recorded(BASELINE_SHARE, self.column, f'bin!="{OTHER}"')
        counts = recorded(CATEGORIES, self.column)
        total = f"sum by ({LABELS}) ({counts})"
        renamed = f'label_replace({counts}, "bin", "$1", "ml_category", "(?s)(.*)")'
        held = f"(sum by ({_BIN}) ({renamed}) and on ({_BIN}) {bins} or {bins} * 0)"
        shares = f"{held} / on ({LABELS}) group_left () {total}"
        rest = f"1 - sum by ({LABELS}) ({shares})"
        yield Rule(SHARE, f"{shares}\nor {labelled(rest, bin=OTHER)}", labels)


def category_rules(columns: list[CategoricalColumn], recording: Recording) -> Iterator[Rule]:
    """Yield the rule of the columns' categories over the window, if there are any."""
    if not columns:
        return
    series = metric_name(semconv.COLUMN_CATEGORIES, recording.naming)
    names = f"ml_column_name=~{pattern([column.column.name for column in columns])}"
    yield Rule(CATEGORIES, recording.added(series, names, by=f"{IDS}, ml_category"))
