from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from driftmeter import Baseline
from driftmeter.cli import main


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


@pytest.fixture
def baseline(tmp_path) -> Path:
    path = tmp_path / "b.json"
    frame = {"temp": [1.0, 2.0, 3.0, None], "carrier": ["UA", "UA", "DL", "AA"], "empty": [None] * 4}
    Baseline.from_frame(frame, model="delay", version="7", source="Q1 of 2013").save(path)
    return path


def test_show_tells_origin_and_columns(run, baseline) -> None:
    result = run("baseline", "show", str(baseline))
    assert result.exit_code == 0
    assert result.output.startswith("delay 7, training, 4 rows, id ")
    assert "Q1 of 2013" in result.output
    assert "1 to 3, quartiles" in result.output
    assert "3 categories" in result.output


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), ("", "holds no columns"), ("{", "not JSON"), ("[]", "OTLP JSON")]
)
def test_a_baseline_that_cannot_be_used_is_one_line_and_exit_code_2(content, says, run, tmp_path) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    result = run("baseline", "show", str(path))
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert line.startswith(f"Error: baseline {path}: ")
    assert says in line


def test_an_unknown_model_is_one_line_with_the_nearest(run, baseline) -> None:
    result = run("baseline", "show", str(baseline), "--model", "delai")
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "no model 'delai'; did you mean 'delay'" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bselin"], "No such command 'bselin'"),
        (["baseline", "sow"], "No such command 'sow'"),
        (["baseline", "show"], "Missing argument 'FILE'"),
        (["baseline", "show", "b.json", "--modle", "x"], "--modle"),
        (["demo", "--rows", "many"], "'many' is not a valid integer"),
        (["--colour"], "--colour"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments, says, run) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert line.startswith("Error: ")
    assert says in line
    assert line.endswith(" -h.")


def test_help_and_version_work_as_a_program() -> None:
    script = Path(sys.executable).parent / "driftmeter"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("driftmeter, version ")
    done = subprocess.run([script, "-h"], capture_output=True, text=True, timeout=60, check=True)
    assert "baseline" in done.stdout
