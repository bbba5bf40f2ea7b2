"""tools/backends, as far as it goes without building: no Go is needed here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from backend_kit import BACKENDS

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "backends"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def run(*arguments, **environ):
    return subprocess.run(
        [shutil.which("bash"), SCRIPT, *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_tells_every_backend_and_every_binary():
    told = run("--help")
    assert told.returncode == 0
    for word in {*BACKENDS, *BACKENDS.values()}:
        assert re.search(rf"\b{word}\b", told.stdout), word


def test_binaries_are_where_caches_are(tmp_path):
    assert run("--where", XDG_CACHE_HOME=str(tmp_path)).stdout == f"{tmp_path}/driftmeter/backends/bin\n"
    assert run("--where", XDG_CACHE_HOME="", HOME="/home/me").stdout == "/home/me/.cache/driftmeter/backends/bin\n"


def test_an_unknown_backend_is_refused_with_those_there_are():
    refused = run("promtheus")
    assert refused.returncode == 2
    assert "'promtheus'" in refused.stderr
    assert all(name in refused.stderr for name in BACKENDS.values())


@pytest.mark.parametrize("version", [None, "go1.9.3"])
def test_without_go_or_with_an_old_one_it_ends_with_3_and_says_what_is_needed(tmp_path, version):
    for tool in ("sed", "sort", "head", "cksum", "cat", "dirname"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    if version:
        (tmp_path / "go").write_text(f"#!{shutil.which('bash')}\necho {version}\n")
        (tmp_path / "go").chmod(0o755)
    refused = run(PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert refused.returncode == 3
    assert "needs Go 1." in refused.stderr
    assert (version or "no 'go'") in refused.stderr
    assert not (tmp_path / "cache").exists()


def test_all_of_the_collector_is_of_one_version():
    manifest = yaml.safe_load((SCRIPT.parent / "backends.d" / "collector.yaml").read_text())
    kinds = ("receivers", "processors", "exporters", "extensions")
    versions = {component["gomod"].split()[1] for kind in kinds for component in manifest[kind]}
    builder = re.search(r"^builder=(\S+)", SCRIPT.read_text(), re.MULTILINE)
    assert versions == {builder[1]} == {f"v{manifest['dist']['version']}"}
