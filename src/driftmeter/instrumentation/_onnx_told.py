"""What an ONNX Runtime session's metadata tell: its name and version, and what each output is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from driftmeter.recorder import Identity

_NO_NAME: Final = re.compile(r"|main|main_graph|graph|model|network|tf2onnx|torch[-_]jit.*|ONNX\(.*\)|[0-9a-f]{32}")
"""What exporters call a graph, and people its file, when they give no name."""
_MOST_VERSION: Final = 2**63 - 1
"""What some exporters write where they know no version."""
_CUDA_PROVIDERS: Final = frozenset(
    {"CUDAExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"}
)
_WHOLE: Final = 1 << 20
_PIECE: Final = 1 << 14
NUMBER: Final = re.compile(r"tensor\((bool|float|float16|double|u?int(8|16|32|64))\)")
_LABEL: Final = re.compile(r"tensor\((string|bool|int32|int64)\)")


class Told:
    """What a session's metadata tell; read once a session, since each question crosses into C++."""

    __slots__ = ("identity", "outputs", "sequences", "several")

    def __init__(self, session: Any) -> None:
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self.identity = _identity(session)
        self.outputs = _roles(outputs)
        """What each output is: ``label``, ``score`` or ``prediction``."""
        roles = list(self.outputs.values())
        self.several = frozenset(role for role in roles if roles.count(role) > 1)
        # Whole numbers in rows of any length are tokens, not columns.
        self.sequences = frozenset(
            one.name
            for one in [*inputs, *outputs]
            if "int" in one.type and len(one.shape) == 2 and not isinstance(one.shape[1], int)
        )


def _identity(session: Any) -> Identity:
    """Return a session's name and version: its metadata's, its graph's, its file's; else a digest is the version."""
    class_name = type(session).__name__
    meta = session.get_modelmeta()
    custom = meta.custom_metadata_map
    version = custom.get("model_version") or (str(meta.version) if 0 < meta.version < _MOST_VERSION else "")
    path = getattr(session, "_model_path", None)
    for name in (custom.get("model_name", ""), meta.graph_name, Path(path).stem if path else ""):
        if not _NO_NAME.fullmatch(name):
            return Identity(class_name, name, version)
    if meta.graph_name.startswith("ONNX("):  # the converter tells the class of what it converted
        class_name = meta.graph_name
    return Identity(class_name, version=version or _digest(path, getattr(session, "_model_bytes", None)))


def _digest(path: Any, content: bytes | None) -> str:
    """Return what tells a model without a name from another: a digest of its bytes, of a large one's pieces."""
    if content is None and not path:
        return ""
    held = np.memmap(path, np.uint8, "r") if content is None else np.frombuffer(content, np.uint8)
    digest = hashlib.blake2b(str(len(held)).encode(), digest_size=6)
    starts = [0] if len(held) <= _WHOLE else np.linspace(0, len(held) - _PIECE, 32).astype(int).tolist()
    for start in starts:
        digest.update(held[start : start + (_WHOLE if len(starts) == 1 else _PIECE)].data)
    return digest.hexdigest()


def device_of(session: Any) -> int | None:
    """Return the CUDA device of a session, which may change: one that fails falls back to other providers.

    What the first provider cannot run goes to those after it.
    """
    for provider in session.get_providers():
        if provider in _CUDA_PROVIDERS:
            return int(session.get_provider_options().get(provider, {}).get("device_id", 0))
    return None


def _roles(outputs: Sequence[Any]) -> dict[str, str]:
    """Return what each output is: a classifier has a label, and scores as maps, a matrix, or a column a class."""
    labels = [one.name for one in outputs if _LABEL.fullmatch(one.type) and len(one.shape) <= 2]
    has_maps = any(one.type.startswith("seq(map(") for one in outputs)
    if not labels or not (has_maps or len(outputs) > 1 or "label" in labels[0].lower()):
        return {one.name: "prediction" for one in outputs}
    texts = [one.name for one in outputs if one.type == "tensor(string)"]
    named = [name for name in labels if "label" in name.lower() or "class" in name.lower()]
    if not (has_maps or texts or named):
        return {one.name: "prediction" for one in outputs}
    label = (named or texts or labels)[0]
    return {one.name: "label" if one.name == label else "score" for one in outputs}
