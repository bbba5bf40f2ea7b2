"""Certificates and tokens, as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_parties import Party


@pytest.fixture(scope="session")
def parties(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Party]:
    folder = tmp_path_factory.mktemp("certificates")
    return {name: Party(folder, name) for name in ("server", "client", "stranger")}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text("# the replicas\nfirst-token\n\nsecond-token  \n")
    return path
