"""YAML as people write it: keys in their order, long texts as blocks."""

from __future__ import annotations

from typing import Any, Final

import yaml
from yaml.emitter import ScalarAnalysis

_LONG: Final = 2000
_OTHER_BREAKS: Final = frozenset("\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and never refers to what stands elsewhere."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the signature of the overridden method
        """Write everything out."""
        return True

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """Return in what styles a text can be written.

        PyYAML looks at each character in turn, which takes seconds for expressions of megabytes; where all are plain,
        a block can hold them.
        """
        if len(scalar) > _LONG and scalar.isascii() and all(map(_is_plain, scalar.split("\n"))):
            return ScalarAnalysis(
                scalar=scalar,
                empty=False,
                multiline=True,
                allow_flow_plain=False,
                allow_block_plain=False,
                allow_single_quoted=True,
                allow_double_quoted=True,
                allow_block=True,
            )
        return super().analyze_scalar(scalar)


def _is_plain(line: str) -> bool:
    return line.isprintable() and line == line.strip()


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if not _OTHER_BREAKS.isdisjoint(text):
        # Plain or in a block, YAML's other line breaks would be read as the usual one.
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def to_yaml(document: Any) -> str:
    """Return a document as YAML."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return text
