"""Generated pages are up to date, and say what is so."""

import re
import subprocess
import sys
from dataclasses import fields

import pytest
from docs_pages import ROOT

from driftmeter import semconv, semconv_hardware
from driftmeter.config import ColumnConfig, Config, ModelConfig

GENERATORS = ("conventions.py", "configuration.py")
CONVENTIONS = (ROOT / "docs/conventions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", GENERATORS)
def test_a_generated_page_is_up_to_date(script: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tools" / script), "--check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


NAMED = [
    *semconv.ATTRIBUTES,
    *semconv.METRICS,
    *semconv.EVENTS,
    *semconv_hardware.ATTRIBUTES,
    *semconv_hardware.METRICS,
]


@pytest.mark.parametrize("thing", NAMED, ids=lambda it: it.name)
def test_every_name_is_on_the_page_with_what_it_says(
    thing: semconv.Attribute | semconv.Metric | semconv.Event,
) -> None:
    rows = [line for line in CONVENTIONS.splitlines() if line.startswith(f"| `{thing.name}` ")]
    assert any(thing.says in row for row in rows)


def test_names_are_called_reserved_exactly_where_nothing_uses_them() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src/driftmeter").rglob("*.py")
        if path.name != "semconv.py"
    )
    constants = {name: value for name, value in vars(semconv).items() if name.isupper() and not name.startswith("_")}
    named = {
        name: value if isinstance(value, str) else value.name
        for name, value in constants.items()
        if isinstance(value, semconv.Metric) or (isinstance(value, str) and name.startswith(("ML_", "ERROR_")))
    }
    unused = {value for name, value in named.items() if not re.search(rf"\bsemconv\.{name}\b", source)}
    reserved = set(re.findall(r"^\| `([\w.]+)` .*Reserved: not emitted yet", CONVENTIONS, re.MULTILINE))
    assert reserved == unused


@pytest.mark.parametrize("config", [Config, ModelConfig, ColumnConfig])
def test_every_key_of_the_configuration_is_on_its_page(config: type) -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    for key in fields(config):
        assert f"| `{key.name}` |" in page
        assert key.metadata["says"] in page
