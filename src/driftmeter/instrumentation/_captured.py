"""What a span tells of a small batch's predictions, where the configuration asks for that; never anything of features.

============  ==================================================  =====================
column        attribute                                           values, one a row
============  ==================================================  =====================
prediction    ``ml.prediction.class``, or ``ml.prediction.value``  texts, or numbers
prediction.x  ``ml.prediction.class.x``, or the like              likewise
score.x       ``ml.prediction.score.x``                           numbers
============  ==================================================  =====================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from driftmeter import semconv
from driftmeter.recorder import Columns
from driftmeter.schema import Role
from driftmeter.sketches import Disguise, category_name, is_missing
from driftmeter.tables import Table, kind_of, to_categories, to_float64

MAX_ROWS: Final = 10
"""Rows of a batch whose predictions are told."""
MAX_COLUMNS: Final = 20
"""Attributes of one span; models with more outputs tell the first ones."""


def captured(outputs: Iterable[tuple[Role, Table]], columns: Columns) -> dict[str, Sequence[Any]]:
    """Return the attributes for the outputs of a call; none for more rows than `MAX_ROWS`.

    A class is told as in the metrics: of a text of more than 128 characters by a digest. One that is missing is an
    empty text.

    Args:
        outputs: The columns, by role.
        columns: What is known of the model's columns: what is ignored is not told, nor names that are withheld.
    """
    attributes: dict[str, Sequence[Any]] = {}
    for role, table in outputs:
        if role == "feature" or not 0 < table.rows <= MAX_ROWS:
            continue
        for at, name in enumerate(table.names):
            disguise = columns.disguises.get(name)
            withheld = disguise is not None and disguise.mode == "withheld"
            if name not in columns.ignored and not withheld and len(attributes) < MAX_COLUMNS:
                stem, values = _told(role, table, at, disguise)
                attributes[stem if name == role else f"{stem}.{name.removeprefix(f'{role}.')}"] = values
    return attributes


def _told(role: Role, table: Table, at: int, disguise: Disguise | None) -> tuple[str, Sequence[Any]]:
    """Return the attribute for a column, and its values."""
    column = table.column(at)
    if disguise is None and (table.kind or kind_of(column)) != "categorical":
        stem = semconv.ML_PREDICTION_SCORE if role == "score" else semconv.ML_PREDICTION_VALUE
        return stem, to_float64(column)[0].tolist()
    classes = ["" if is_missing(value) else category_name(value) for value in to_categories(column)]
    if disguise is not None:
        classes = [name and disguise.name(name) for name in classes]
    return semconv.ML_PREDICTION_CLASS, classes
