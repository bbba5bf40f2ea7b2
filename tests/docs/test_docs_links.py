"""Relative links lead somewhere."""

import re
from pathlib import Path

import pytest
from docs_pages import PAGES, name_of, prose

LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    readme = next(page for page in PAGES if page.name == "README.md" and page.parent.name != "collector-config")
    linked = {(readme.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(readme))}
    unlinked = [name_of(page) for page in PAGES if page.parent.name == "docs" and page not in linked]
    assert not unlinked
