"""Code on the pages runs as it stands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import ROOT, USER_PAGES, blocks, name_of
from otlp_sink import Sink, otlp_sink

from driftmeter.config import Config, load

PYTHON_PAGES = [page for page in USER_PAGES if blocks(page, "python")]

# One namespace for a page's blocks, each compiled under the page's name and with its lines' numbers.
RUNNER = """
import json, sys
namespace = {"__name__": "__main__"}
for page, line, text in json.load(sys.stdin):
    exec(compile("\\n" * (line - 1) + text, page, "exec"), namespace)
"""


def run_page(page: Path, *, folder: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    code = [(str(page), block.line, block.text) for block in blocks(page, "python")]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTMETER_"))}
    return subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(code),
        env={**inherited, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=name_of)
def test_every_python_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    with otlp_sink() as sink:
        ran = run_page(page, folder=tmp_path, endpoint=sink.endpoint)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    if page == ROOT / "README.md":
        check_what_the_readme_sent(sink, tmp_path)


def check_what_the_readme_sent(sink: Sink, folder: Path) -> None:
    assert {"ml.column.value", "ml.column.categories", "ml.prediction.rows"} <= sink.names
    assert (folder / "wine.baseline.json").stat().st_size > 0


def test_the_readme_has_python_to_run() -> None:
    assert ROOT / "README.md" in PYTHON_PAGES


def test_the_yaml_of_the_configuration_page_loads_and_says_what_it_seems_to(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "docs/configuration.md", "yaml")
    path = tmp_path / "driftmeter.yaml"
    path.write_text(block.text, encoding="utf-8")
    config = load(environ={"DRIFTMETER_CONFIG": str(path)}, folder=tmp_path)
    model = config.models["flight-delay"]
    assert (config.window, config.step, model.match, model.version) == (3600.0, 60.0, "Pipeline", "7")
    assert model.columns["hour"].kind == "categorical"
    assert model.columns["dest"].effect_floor == 0.05
    assert model.columns["request_id"].ignore


def test_the_toml_of_the_configuration_page_loads(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "docs/configuration.md", "toml")
    (tmp_path / "pyproject.toml").write_text(block.text, encoding="utf-8")
    config = load(environ={}, folder=tmp_path)
    assert config.window == 3600.0
    assert config.models["flight-delay"].columns["hour"].kind == "categorical"


@pytest.mark.parametrize("page", USER_PAGES, ids=name_of)
def test_every_yaml_block_about_driftmeter_is_a_right_configuration(page: Path, tmp_path: Path) -> None:
    for at, block in enumerate(blocks(page, "yaml")):
        path = tmp_path / f"{at}.yaml"
        path.write_text(block.text, encoding="utf-8")
        assert isinstance(load(environ={"DRIFTMETER_CONFIG": str(path)}, folder=tmp_path), Config)
