"""What is watched, and every way into driftmeter, is on the pages as the code and pyproject.toml have it."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from docs_pages import PAGES, ROOT

from driftmeter.instrumentation import _device_copies, _tensors, _training, catboost, sklearn, xgboost

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOLDER = ROOT / "src/driftmeter/instrumentation"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
PAGE = (ROOT / "docs/frameworks.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
DISTRIBUTIONS = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu", "mlflow": "mlflow-skinny"}
"""Those that are not called like their module."""


def rows() -> dict[str, list[str]]:
    """The rows of the page's first table, by what they have under `ml.model.framework`."""
    table = PAGE.split("\n\n")[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    return {row[2].strip("`"): row for row in cells}


def source_of(module: str) -> str:
    return (FOLDER / f"{module}.py").read_text(encoding="utf-8")


def lower_bounds() -> dict[str, str]:
    named = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    return dict(match.groups() for match in (re.fullmatch(r"([\w-]+)>=([\d.]+)", one) for one in named) if match)


SERVERS = {path.stem for path in (FOLDER / "servers").glob("[!_]*.py")}


def test_every_framework_has_a_row_and_every_row_a_framework() -> None:
    assert sorted(rows()) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_row_links_to_a_section_and_says_the_version_that_is_tested(module: str) -> None:
    framework, version, *_ = rows()[module]
    assert re.search(r"\[[^]]+\]\(#[\w-]+\)", framework)
    bound = lower_bounds().get(DISTRIBUTIONS.get(module, module))
    assert bound is None or version == bound


def test_the_rows_are_what_models_have_as_their_framework() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))
    assert set(re.findall(r'^    name = "(\w+)"$', source, re.MULTILINE)) == set(rows())


@pytest.mark.parametrize("module", [module for module in MODULES if "\nOPERATIONS: Final" in source_of(module)])
def test_the_calls_of_a_framework_are_in_its_row(module: str) -> None:
    for operation in importlib.import_module(f"driftmeter.instrumentation.{module}").OPERATIONS:
        assert re.search(rf"\b{operation}\b", rows()[module][3])


@pytest.mark.parametrize("group", PROJECT["entry-points"])
def test_every_entry_point_is_described(group: str) -> None:
    assert f"| `{group}` |" in ARCHITECTURE
    for name in PROJECT["entry-points"][group]:
        assert f"`{name}`" in (PAGE if group == "opentelemetry_instrumentor" else ARCHITECTURE)


def test_every_framework_and_server_has_an_entry_point_of_its_name() -> None:
    named = {name for name in MODULES if name != "custom"} | SERVERS
    assert set(PROJECT["entry-points"]["opentelemetry_instrumentor"]) == named


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_every_script_is_described(script: str) -> None:
    assert any(f"`{script} " in page.read_text(encoding="utf-8") for page in PAGES)


def test_instrumentations_that_the_pages_switch_off_exist() -> None:
    for page in PAGES:
        for named in re.findall(r"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=([\w,]+)", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= set(PROJECT["entry-points"]["opentelemetry_instrumentor"])


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    assert f"single values ({_training.MAX_HYPERPARAMETERS} at most)" in PAGE
    assert f"more than {sklearn.MAX_CLASSES} classes" in PAGE
    assert f"2 to {_tensors.MAX_SCORES} columns" in PAGE
    assert f"{xgboost.MAX_CELLS // 10**6} million values" in PAGE
    assert catboost.MAX_CELLS == 2**20 // 4
    assert "a quarter of a million values" in PAGE
    assert (_device_copies.SLOTS, _device_copies.SLOT_VALUES * 8) == (8, 256 * 1024)
    assert "eight buffers of 256 kB" in PAGE


@pytest.mark.parametrize("path", sorted((ROOT / "src/driftmeter/processor").glob("_[!_]*.py")), ids=lambda it: it.stem)
def test_every_file_of_the_processor_is_in_the_architecture(path: Path) -> None:
    assert f"](../{path.relative_to(ROOT)})" in ARCHITECTURE
