"""What is watched: a model's identity and its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

Role: TypeAlias = Literal["feature", "prediction", "score", "label"]
Kind: TypeAlias = Literal["numeric", "categorical"]
BaselineKind: TypeAlias = Literal["training", "validation", "previous_window", "seasonal", "model"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
BASELINE_KINDS: Final[tuple[BaselineKind, ...]] = get_args(BaselineKind)


@dataclass(frozen=True, slots=True)
class Model:
    """What predicts. An empty version means that none is known."""

    name: str
    version: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """One feature, prediction, score or label of a model."""

    name: str
    role: Role = "feature"
    kind: Kind = "numeric"

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}; got {self.role!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
