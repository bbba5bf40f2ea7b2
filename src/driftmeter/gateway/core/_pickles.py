"""State as bytes and back: pickle, but for classes that state is made of alone.

Pickle keeps numpy arrays and what refers to what, and a state file is written for its owner alone. All the same nothing
in one can call anything: a name that is not listed here is refused.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

_OURS: Final = "driftmeter."
_OTHERS: Final = frozenset(
    {
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "slice"),
        ("collections", "deque"),
        ("collections", "OrderedDict"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        # numpy 1.26 and 2 call them by different names.
        *(
            (f"numpy.{core}.{module}", name)
            for core in ("core", "_core")
            for module, name in (
                ("multiarray", "_reconstruct"),
                ("multiarray", "scalar"),
                ("numeric", "_frombuffer"),
            )
        ),
    }
)


def dump(state: Any) -> bytes:
    """Return state as bytes."""
    return pickle.dumps(state, protocol=5)


def load(body: bytes) -> Any:
    """Return the state that bytes stand for; the inverse of `dump`.

    Raises:
        ValueError: They stand for none, or name what state is not made of.
    """
    try:
        return _Unpickler(io.BytesIO(body)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, KeyError) as error:
        raise ValueError(f"state cannot be read: {error}") from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if module.startswith(_OURS) or (module, name) in _OTHERS else None
        if found is None or (module.startswith(_OURS) and not isinstance(found, type)):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of state")
        return found
