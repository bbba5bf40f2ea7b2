"""Commands, options and variables: those that exist are described, and those that are described exist."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
from docs_pages import PAGES, ROOT, USER_PAGES, blocks, name_of

from driftmeter.cli import main
from driftmeter.config import Config, variable_name
from driftmeter.environment_variables import DRIFTMETER_CONFIG
from driftmeter.gateway import CoreConfig, SenderConfig, ServerConfig

SHELL = ("bash", "sh", "console")
PARAGRAPHS = [
    " ".join(paragraph.split())
    for page in USER_PAGES
    for paragraph in re.split(r"\n\s*\n", page.read_text(encoding="utf-8"))
]
TEST_COMMAND = "pip install -e '.[dev]' && pytest"
DEMO_COMMAND = "pip install -e '.[demo]' && driftmeter demo"


def commands(command: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All leaf commands, with the words that call them."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described(name: str) -> None:
    assert any(f"driftmeter {name}" in paragraph for paragraph in PARAGRAPHS)


OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_is_described_beside_its_command(name: str, option: str) -> None:
    paragraphs = [paragraph for paragraph in PARAGRAPHS if f"driftmeter {name}" in paragraph]
    assert any(re.search(rf"{re.escape(option)}\b", paragraph) for paragraph in paragraphs), (
        f"no paragraph about `driftmeter {name}` names {option}"
    )


def called(page: Path) -> Iterator[list[str]]:
    """The words after each `driftmeter` in a page: in shell blocks, and in code within the text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, *SHELL) for line in block.text.splitlines()]
    lines += re.findall(r"`(driftmeter [a-z][^`]*)`", text)
    for line in lines:
        for part in re.split(r"&&|\|\||;|\|", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True)
            if words[:1] == ["driftmeter"]:
                yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_line_on_a_page_names_a_command_and_options_that_exist(page: Path) -> None:
    for words in called(page):
        command: click.Command = main
        for word in words:
            if word.startswith("-"):
                known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
                assert word.split("=")[0] in known, f"driftmeter {' '.join(words)}"
            elif isinstance(command, click.Group):
                assert word in command.commands, f"driftmeter {' '.join(words)}"
                command = command.commands[word]


VARIABLES = {variable_name(key.name) for key in fields(Config) if "parse" in key.metadata} | {DRIFTMETER_CONFIG}
OF_THE_GATEWAY = {
    variable_name(f"gateway_{key.name}") for cls in (CoreConfig, SenderConfig, ServerConfig) for key in fields(cls)
}


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_every_environment_variable_is_described(variable: str) -> None:
    assert f"`{variable}`" in (ROOT / "docs/configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("cls", [CoreConfig, SenderConfig, ServerConfig])
def test_every_key_of_the_gateway_is_described(cls: type) -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert [key.name for key in fields(cls) if f"| `{key.name}` |" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_environment_variable_on_a_page_exists(page: Path) -> None:
    named = set(re.findall(r"\bDRIFTMETER_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    assert named <= VARIABLES | OF_THE_GATEWAY | {"DRIFTMETER_GATEWAY"}


def test_the_readmes_two_commands_are_the_ones_that_are_promised() -> None:
    lines = [line for block in blocks(ROOT / "README.md", "bash") for line in block.text.splitlines()]
    assert lines.count(DEMO_COMMAND) == 1
    assert lines.count(TEST_COMMAND) == 1


def test_the_extras_that_pages_install_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(
        re.findall(r"^(\w+) = \[$", project.split("[project.optional-dependencies]")[1].split("\n[")[0], re.MULTILINE)
    )
    for page in PAGES:
        for named in re.findall(r"pip install [^\n`]*\[([\w,]+)\]", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= extras, name_of(page)


def test_the_ci_script_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    pattern = re.search(r"--extended-regexp '(\^pip[^']*)' README\.md", script)
    assert pattern is not None
    assert re.fullmatch(pattern[1].strip("^$"), TEST_COMMAND)
