"""Which models and columns are critical, by the configuration: their alerts are pages, those of the others tickets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from driftmeter import semconv
from driftmeter.alerts._alert import Severity
from driftmeter.alerts._text import pattern, quoted, tag_value
from driftmeter.config import Config
from driftmeter.prometheus_names import label_name
from driftmeter.schema import clean_name

_MODEL: Final = label_name(semconv.ML_MODEL_NAME)
_COLUMN: Final = label_name(semconv.ML_COLUMN_NAME)


class Critical:
    """What is critical."""

    def __init__(self, config: Config) -> None:
        self.models = sorted(clean_name(name) for name, model in config.models.items() if model.critical)
        self.named = sorted(clean_name(name) for name, model in config.models.items() if not model.ignore)
        """All models that the configuration names and that are watched."""
        # By model, the columns that differ from it.
        self._differ = {
            clean_name(name): sorted(
                clean_name(column)
                for column, own in model.columns.items()
                if own.critical is not None and own.critical != bool(model.critical)
            )
            for name, model in config.models.items()
        }

    def of_columns(self, expr: Callable[[str], str]) -> dict[Severity, str]:
        """Return an expression about columns by severity; a key is absent where there is nothing.

        Args:
            expr: Returns the expression for some matchers, which may be empty.
        """
        pages = [expr(matchers) for matchers in self._column_matchers()]
        return _split(expr(""), pages)

    def of_models(self, expr: Callable[[str], str]) -> dict[Severity, str]:
        """Return an expression about models by severity, likewise."""
        return _split(expr(""), [expr(f"{_MODEL}=~{pattern(self.models)}")] if self.models else [])

    def _column_matchers(self) -> list[str]:
        found = []
        for model, columns in sorted(self._differ.items()):
            only = f"{_MODEL}={quoted(model)}"
            if model in self.models:
                found.append(f"{only}, {_COLUMN}!~{pattern(columns)}" if columns else only)
            elif columns:
                found.append(f"{only}, {_COLUMN}=~{pattern(columns)}")
        return found

    def tags_of_columns(self, severity: Severity) -> str:
        """Return a Datadog filter of the columns of a severity; an empty one where there are none."""
        page = severity == "page"
        clauses = []
        for model, columns in sorted(self._differ.items()):
            this = f"{'' if page else 'NOT '}{semconv.ML_MODEL_NAME}:{tag_value(model)}"
            if columns:
                # The others of a critical model, these of another one; for tickets the reverse.
                among = "NOT IN" if (model in self.models) == page else "IN"
                names = ",".join(map(tag_value, columns))
                clauses.append(f"({this} {'AND' if page else 'OR'} {semconv.ML_COLUMN_NAME} {among} ({names}))")
            elif model in self.models:
                clauses.append(this)
        return (" OR " if page else " AND ").join(clauses) or "*"

    def tags_of_models(self, severity: Severity) -> str:
        """Return a Datadog filter of the models of a severity, likewise."""
        names = ",".join(map(tag_value, self.models))
        among = "IN" if severity == "page" else "NOT IN"
        return f"{semconv.ML_MODEL_NAME} {among} ({names})" if names else "*"


def _split(everything: str, pages: list[str]) -> dict[Severity, str]:
    if not pages:
        return {"ticket": everything}
    critical = "\nor\n".join(pages)
    return {"page": critical, "ticket": f"(\n{everything}\n)\nunless (\n{critical}\n)"}
