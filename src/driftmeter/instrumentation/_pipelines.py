"""What one call of a Hugging Face pipeline tells. Texts stay where they are: their lengths are recorded.

===============================  ================================================================
input                            columns
===============================  ================================================================
a text, a list of texts          ``text.length``, in characters
a mapping of texts, or a list    ``<key>.length`` each, as of ``text`` and ``text_pair``
an image, a sound, a chat        none
===============================  ================================================================

===============================  ================================================================
answer                           columns
===============================  ================================================================
a label and its score            ``prediction`` and ``score``
all labels and their scores      ``prediction``, the likeliest, and ``score.<label>`` each
labels chosen at the call        ``prediction``, the likeliest
texts                            ``<key>.length`` each, as of ``generated_text``
===============================  ================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from driftmeter.instrumentation import _tensors
from driftmeter.instrumentation._gpu_of import cuda_ordinal
from driftmeter.recorder import Identity, digest_of
from driftmeter.schema import Role
from driftmeter.tables import Names, Table

MAX_KEYS: Final = 8
"""Texts of one mapping whose lengths are recorded."""

_PREDICTION: Final = Names.of(("prediction",))
_SCORE: Final = Names.of(("score",))
_LABELLED: Final = frozenset({"label", "score"})
_MEDIA: Final = ("image_processor", "feature_extractor", "processor")


class PipelineCall:
    """One call of a pipeline; a `Framework`, and a new one for each call."""

    name = "transformers"

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._is_one = True

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the lengths of the input's texts, or its number of rows alone."""
        inputs: Any = args[0] if args else kwargs.get("inputs")
        self._is_one = not isinstance(inputs, list | tuple) or is_chat(inputs)
        rows = [inputs] if self._is_one else list(inputs)
        if not rows:
            return None
        return lengths(rows) if reads_texts(self._pipeline) else _tensors.rows_alone(len(rows))

    def feature_names(self, model: Any) -> Sequence[str]:  # noqa: ARG002
        """Return no names; the lengths have theirs."""
        return ()

    def identity(self, model: Any) -> Identity:  # noqa: ARG002  # the model may be the pipeline or its network
        """Return the name that the network was loaded by, and its class."""
        return identity_of(self._pipeline.model)

    def device(self, model: Any) -> int | None:  # noqa: ARG002
        """Return the number of the CUDA device that the pipeline puts its inputs on."""
        return cuda_ordinal(getattr(self._pipeline, "device", None))

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return labels and scores, or the lengths of texts."""
        return answers(self._pipeline, [result] if self._is_one else result)


class StreamedBatch(PipelineCall):
    """One batch of a stream, as the network is given it."""

    def features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the number of rows alone; the texts were measured on their way here."""
        return _tensors.rows_of(_tensors.first_input(args, kwargs))

    def outputs(self, model: Any, operation: str, result: Any) -> list[tuple[Role, Table]]:  # noqa: ARG002
        """Return nothing; the answers are made of the network's outputs later."""
        return []


def identity_of(network: Any) -> Identity:
    """Return a network's class, and the name that it was loaded by, unless that was a path."""
    name = str(getattr(getattr(network, "config", None), "name_or_path", ""))
    # Names at the hub are "model" or "owner/model"; what else has a slash is somebody's folder.
    is_name = name and name.count("/") <= 1 and name[0] not in "./~\\"
    labels = getattr(getattr(network, "config", None), "id2label", None)
    trained_on = digest_of([*map(str, labels.values())] if isinstance(labels, dict) else None)
    return Identity(type(network).__name__, name if is_name else "", trained_on=trained_on)


def reads_texts(pipeline: Any) -> bool:
    """Whether a text that a pipeline is given is a text to it, and not the address of an image."""
    return getattr(pipeline, "tokenizer", None) is not None and not any(
        getattr(pipeline, part, None) is not None for part in _MEDIA
    )


def is_chat(inputs: Sequence[Any]) -> bool:
    """Whether a list is one conversation."""
    return bool(inputs) and isinstance(inputs[0], Mapping) and "role" in inputs[0]


def lengths(rows: Sequence[Any]) -> Any:
    """Return the columns of texts' lengths for `driftmeter.tables.tabulate`, or else the number of rows alone."""
    first = rows[0]
    if isinstance(first, str):
        columns = {"text.length": [len(row) if isinstance(row, str) else None for row in rows]}
    elif isinstance(first, Mapping) and not is_chat(rows):
        keys = [key for key, value in first.items() if isinstance(key, str) and isinstance(value, str)][:MAX_KEYS]
        columns = {
            f"{key}.length": [len(row[key]) if isinstance(row.get(key), str) else None for row in rows]
            for key in keys
            if all(isinstance(row, Mapping) for row in rows)
        }
    else:
        columns = {}
    return columns or _tensors.rows_alone(len(rows))


def answers(pipeline: Any, results: Any) -> list[tuple[Role, Table]]:
    """Return what a pipeline answered, one element a row, as columns."""
    if not isinstance(results, list) or not results:
        return []
    if all(map(_is_labelled, results)):
        scores = np.array([[row["score"]] for row in results], dtype=np.float64)
        return [_predictions([row["label"] for row in results]), ("score", Table(_SCORE, len(results), scores))]
    if all(isinstance(row, list) and row and all(map(_is_labelled, row)) for row in results):
        return _ranked(results, getattr(getattr(pipeline.model, "config", None), "num_labels", 0))
    if all(isinstance(row, Mapping) and isinstance(row.get("labels"), list) and row["labels"] for row in results):
        return [_predictions([row["labels"][0] for row in results])]
    texts = [row[0] if isinstance(row, list) and len(row) == 1 else row for row in results]
    columns = lengths(texts) if isinstance(texts[0], Mapping) else None
    if not isinstance(columns, dict):
        return []
    return [("prediction", Table(tuple(columns), len(texts), columns=tuple(columns.values())))]


def _is_labelled(row: Any) -> bool:
    return isinstance(row, Mapping) and row.keys() == _LABELLED


def _predictions(labels: list[Any]) -> tuple[Role, Table]:
    return "prediction", Table(_PREDICTION, len(labels), None, (labels,), "categorical")


def _ranked(results: list[list[Any]], classes: int) -> list[tuple[Role, Table]]:
    """Return the likeliest labels, and the scores where each row has those of all labels, and these are few."""
    likeliest = [max(row, key=lambda one: one["score"])["label"] for row in results]
    labels = sorted(str(one["label"]) for one in results[0])
    found: list[tuple[Role, Table]] = [_predictions(likeliest)]
    by_label = [{str(one["label"]): one["score"] for one in row} for row in results]
    if len(labels) == classes <= _tensors.MAX_SCORES and all(row.keys() == set(labels) for row in by_label):
        scores = np.array([[row[label] for label in labels] for row in by_label], dtype=np.float64)
        found.append(("score", Table(Names.of(f"score.{label}" for label in labels), len(results), scores)))
    return found
