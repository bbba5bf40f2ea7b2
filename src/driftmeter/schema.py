"""What is watched: a model's identity and its columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

Role: TypeAlias = Literal["feature", "prediction", "score", "label"]
Kind: TypeAlias = Literal["numeric", "categorical"]
BaselineKind: TypeAlias = Literal["training", "validation", "previous_window", "seasonal", "model"]

DistanceName: TypeAlias = Literal[
    "psi",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "wasserstein",
    "hellinger",
    "total_variation",
    "l_infinity",
    "chi_square",
]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
BASELINE_KINDS: Final[tuple[BaselineKind, ...]] = get_args(BaselineKind)
DISTANCES: Final[tuple[DistanceName, ...]] = get_args(DistanceName)


MAX_NAME_LENGTH: Final = 128

_DIGEST_BYTES: Final = 6
_KEPT_LENGTH: Final = MAX_NAME_LENGTH - 2 * _DIGEST_BYTES - 1


def clean_name(name: str) -> str:
    """Return a name that every exporter can send, the same for the same name.

    It is valid Unicode (what is not, lone surrogates, is escaped) of at most 128 characters; of a longer one the start
    and a digest are left.
    """
    if not name.isascii():
        name = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:_KEPT_LENGTH]}~{name_digest(name)}"


def name_digest(name: str) -> str:
    """Return twelve hexadecimal digits that stand for a name."""
    return hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=_DIGEST_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a model's rows: those with one value in one column. Both names are cleaned, see `clean_name`."""

    column: str
    value: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", clean_name(self.column))
        object.__setattr__(self, "value", clean_name(self.value))


@dataclass(frozen=True, slots=True)
class Model:
    """What predicts. An empty version means that none is known. Both are cleaned, see `clean_name`.

    With a ``segment`` it is the model as it is for a part of its rows, which has sketches and signals of its own.
    """

    name: str
    version: str = ""
    segment: Segment | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", clean_name(self.name))
        object.__setattr__(self, "version", clean_name(self.version))

    @property
    def whole(self) -> Model:
        """The model of all rows."""
        return self if self.segment is None else Model(self.name, self.version)


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """One feature, prediction, score or label of a model. Its name is cleaned, see `clean_name`."""

    name: str
    role: Role = "feature"
    kind: Kind = "numeric"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", clean_name(self.name))
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}; got {self.role!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
