"""Batches of rows in the forms that people use, seen as named columns."""

from driftmeter.tables._codes import Coded, to_codes, to_known_codes
from driftmeter.tables._convert import kind_of, to_categories, to_float64
from driftmeter.tables._table import Names, Table, UnreadableError, rows_of, tabulate

__all__ = [
    "Coded",
    "Names",
    "Table",
    "UnreadableError",
    "kind_of",
    "rows_of",
    "tabulate",
    "to_categories",
    "to_codes",
    "to_float64",
    "to_known_codes",
]
