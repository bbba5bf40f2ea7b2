"""Unit tests of recording rules, for ``promtool test rules``: made-up traffic, and the distances that it must give.

The distances are those of `driftmeter.stats` on the same counts, so that the tests hold Prometheus to the processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from driftmeter import semconv, stats
from driftmeter.alerts._alert import Series
from driftmeter.alerts._recording import columns_of
from driftmeter.alerts._recording_categorical import CategoricalColumn
from driftmeter.alerts._recording_numeric import NumericColumn, Tier
from driftmeter.alerts._recording_settings import DISTANCE, Recording
from driftmeter.alerts._text import duration_text, number, quoted
from driftmeter.alerts._yaml import to_yaml
from driftmeter.prometheus_names import metric_name
from driftmeter.schema import Column
from driftmeter.typing import Int64Array

MAX_BUCKETS: Final = 3000
"""Buckets of a histogram that is written out; columns that need more have no test."""
_KEY_OFFSET: Final = 1 << 40
"""See `NumericSketch.keys`."""
_TOLERANCE: Final = "1e-6"


@dataclass(frozen=True, slots=True)
class _Traffic:
    """What each window adds to a column's series, and the distances of that."""

    series: dict[str, str]
    expected: dict[str, float]


def promql_tests(recording: Recording, *, rules: str) -> str:
    """Return unit tests of the rule file.

    Args:
        recording: What the rules were made from.
        rules: The rule file, as a path from where the tests are.
    """
    writer = _Writer(recording)
    numeric, categorical = columns_of(recording)
    columns: list[NumericColumn | CategoricalColumn] = [*numeric, *categorical]
    # A sample a window, as few as there can be: promtool holds few buckets at a time.
    window = recording.config.window
    tests = [
        {
            "name": f"the distances of {column.column.name} ({column.column.role}) are the processor's",
            "interval": duration_text(window),
            "input_series": [{"series": name, "values": values} for name, values in traffic.series.items()],
            "promql_expr_test": [
                _check(recording, column.column, method, value) for method, value in traffic.expected.items()
            ],
        }
        for column in columns
        if (traffic := writer.of(column)) is not None
    ]
    return to_yaml({"rule_files": [rules], "evaluation_interval": duration_text(2 * window), "tests": tests})


def _check(recording: Recording, column: Column, method: str, value: float) -> dict[str, Any]:
    found = recording.of(DISTANCE, column, f"ml_distance_method={quoted(method)}")
    apart = f"abs({found} / {number(value)} - 1)" if value else f"abs({found})"
    return {
        "expr": f"count({apart} < {_TOLERANCE})",
        "eval_time": duration_text(2 * recording.config.window),
        "exp_samples": [{"labels": "{}", "value": 1}],
    }


class _Writer:
    """Writes the traffic of columns as promtool reads it."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def of(self, column: NumericColumn | CategoricalColumn) -> _Traffic | None:
        """Return a column's traffic; None where it has no test."""
        return self._categorical(column) if isinstance(column, CategoricalColumn) else self._numeric(column)

    def _counts(self, bins: int, least: int) -> Int64Array:
        """Return rows by bin of one window: not those of any baseline, some bins empty, at least so many."""
        counts: Int64Array = (np.arange(bins, dtype=np.int64) * 7 + 3) % 11 * (np.arange(bins) % 5 != 1)
        counts[0] += 1
        return counts * -(-least // int(counts.sum()))

    def _write(self, column: Column) -> Series:
        model = self._recording.baseline.model
        version = {"ml_model_version": model.version} if model.version else {}
        return Series(
            {
                "job": "shop",
                "instance": "a",
                "ml_model_name": model.name,
                **version,
                "ml_column_name": column.name,
                "ml_column_role": column.role,
            }
        )

    def _growing(self, step: str) -> str:
        return f"{step}+{step}x2"

    def _numeric(self, column: NumericColumn) -> _Traffic | None:
        if not column.tiers:
            return None
        tier = column.tiers[-1]
        counts = self._counts(len(tier.baseline), tier.least)
        window, baseline = counts[None], tier.baseline[None]
        expected = {name: float(stats.DISTANCES[name](window, baseline)[0]) for name in _NUMERIC}
        write, naming = self._write(column.column), self._recording.naming
        if column.uses_bins:
            series = f"{metric_name(semconv.COLUMN_BINS, naming)}_bucket"
            bounds = [*map(number, tier.bins.bounds.tolist()), "+Inf"]
            reached = zip(bounds, np.cumsum(counts).tolist(), strict=True)
            return _Traffic({write(series, le=le): self._growing(str(count)) for le, count in reached}, expected)
        written = _native(tier, counts, column.grid.scale)
        if written is None:
            return None
        return _Traffic({write(metric_name(semconv.COLUMN_VALUE, naming)): self._growing(written)}, expected)

    def _categorical(self, column: CategoricalColumn) -> _Traffic | None:
        grid = column.grid
        names = [*grid.names, "a category that the baseline does not know"]
        counts = self._counts(len(names), max(self._recording.min_rows, self._recording.least_rows or 1))
        groups = grid.groups(int(counts.sum()))
        if not groups.any():
            return None
        window = np.bincount(groups, counts)[None]
        baseline = np.bincount(groups, grid.baseline)[None]
        expected = {name: float(stats.DISTANCES[name](window, baseline)[0]) for name in _CATEGORICAL}
        write, series = self._write(column.column), metric_name(semconv.COLUMN_CATEGORIES, self._recording.naming)
        return _Traffic(
            {
                write(series, ml_category=name): self._growing(str(count))
                for name, count in zip(names, counts.tolist(), strict=True)
                if count
            },
            expected,
        )


_NUMERIC: Final = ("psi", "jensen_shannon", "kolmogorov_smirnov")
_CATEGORICAL: Final = ("psi", "jensen_shannon")


def _native(tier: Tier, counts: Int64Array, scale: int) -> str | None:
    """Return a native histogram with a bin's rows in its last bucket; None where its buckets lie too far apart."""
    last = tier.bins.last_keys
    # The last bin is open: the bucket after the one before it, or the one of 1 where there is no other bin.
    final = last[-1] + 1 if len(last) else _KEY_OFFSET - 1
    if len(last) and last[-1] < 0:
        final = 0
    elif len(last) and last[-1] == 0:
        final = _KEY_OFFSET - 1
    keys = [*last.tolist(), int(final)]
    sides: dict[str, dict[int, int]] = {"buckets": {}, "n_buckets": {}}
    zeros = 0
    for key, count in zip(keys, counts.tolist(), strict=True):
        if key:
            sides["buckets" if key > 0 else "n_buckets"][abs(key) - _KEY_OFFSET + 1] = count
        else:
            zeros = count
    parts = [f"schema:{scale}", f"count:{int(counts.sum())}", "sum:1", f"z_bucket:{zeros}", "z_bucket_w:1e-128"]
    for name, buckets in sides.items():
        if buckets:
            first, end = min(buckets), max(buckets)
            if end - first >= MAX_BUCKETS:
                return None
            dense = " ".join(str(buckets.get(index, 0)) for index in range(first, end + 1))
            parts.append(f"{name.replace('buckets', 'offset')}:{first} {name}:[{dense}]")
    return f"{{{{{' '.join(parts)}}}}}"
