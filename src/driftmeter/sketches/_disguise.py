"""Category names that are not to be told: a digest stands for each, or all are left out.

hashed     AA: 5, UA: 3, other: 1  ->  #8a2c53a6f2b6: 5, #1d7d1bd3a0c9: 3, other: 1
withheld   AA: 5, UA: 3, other: 1  ->  other: 9

A digest is blake2b's of the name, of six bytes, as hexadecimal digits behind a `#`; with a secret it is keyed by
blake2b's digest of that, of 64 bytes. So it is the same in every process that has the same secret, or none. Without one
whoever knows what the names may be can find out which is which.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal

from driftmeter.sketches._categorical import CategoricalSketch
from driftmeter.sketches._category_names import OTHER
from driftmeter.sketches._packed import Sketch

_DIGEST_BYTES: Final = 6
_DIGEST: Final = re.compile(rf"#[0-9a-f]{{{2 * _DIGEST_BYTES}}}")


@dataclass(frozen=True, slots=True)
class Disguise:
    """How the category names of one column are kept from view.

    Attributes:
        mode: hashed or withheld.
        secret: What digests are keyed with; empty for none.
    """

    mode: Literal["hashed", "withheld"]
    secret: str = ""

    def name(self, name: str) -> str:
        """Return what stands for a name. What is no name, ``__other__``, stays."""
        if name == OTHER or self.mode == "withheld":
            return OTHER
        key = hashlib.blake2b(self.secret.encode()).digest() if self.secret else b""
        return f"#{hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES, key=key).hexdigest()}"

    def known_name(self, name: str) -> str:
        """Return the same for a name of a baseline, which was built from digests perhaps: these stay."""
        return name if self.mode == "hashed" and _DIGEST.fullmatch(name) else self.name(name)

    def sketch(self, sketch: Sketch, *, known: bool = False) -> Sketch:
        """Return a column's sketch with what stands for its names; ``known`` if it is a baseline's."""
        if not isinstance(sketch, CategoricalSketch):
            return sketch
        if self.mode == "withheld":
            return CategoricalSketch(other=sketch.count, missing=sketch.missing, mismatched=sketch.mismatched)
        return sketch.renamed(self.known_name if known else self.name)
