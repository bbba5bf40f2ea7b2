"""Batches of rows in the forms that people use, seen as named columns."""

from driftmeter.tables._convert import kind_of, to_categories, to_float64
from driftmeter.tables._table import Table, UnreadableError, tabulate

__all__ = ["Table", "UnreadableError", "kind_of", "tabulate", "to_categories", "to_float64"]
