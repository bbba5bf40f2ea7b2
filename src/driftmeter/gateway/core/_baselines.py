"""The baselines of a gateway: files that the configuration names, a directory that is watched, and what came by OTLP.

A file speaks of the models of its name in every service; what came over the wire, of the model in the service that
sent it, and it comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from driftmeter.baseline import Baseline, as_configured
from driftmeter.config import Config
from driftmeter.exceptions import BaselineError
from driftmeter.gateway.streams._identity import Service
from driftmeter.schema import Model

_logger = logging.getLogger("driftmeter.gateway")

_SUFFIX: Final = ".json"
_Stamp: TypeAlias = tuple[int, int, int]
"""Of a file's content: inode, size, and when it was last changed, in nanoseconds."""


class Baselines:
    """Knows each model's baselines; those of one model and kind take the place of one another.

    Args:
        fixed: Those that the configuration names.
        folder: The directory that is watched for files named ``*.json``; None for none.
    """

    def __init__(self, fixed: Iterable[Baseline], *, folder: Path | None) -> None:
        self._folder = folder
        self._fixed = tuple(fixed)
        self._files: dict[Path, tuple[_Stamp, Baseline | None]] = {}
        self._sent: dict[tuple[Service, Model, str], Baseline] = {}
        self._found: dict[tuple[Service, Model], tuple[Baseline, ...]] = {}

    def of(self, config: Config, service: Service, model: Model) -> Sequence[Baseline]:
        """Return the baselines that a model's windows are compared with; those of a segment, if it is one.

        Category names are those that the configuration lets the model's traffic have.
        """
        key = (service, model)
        if key not in self._found:
            self._found[key] = self._look_up(config, service, model)
        return self._found[key]

    def _look_up(self, config: Config, service: Service, model: Model) -> tuple[Baseline, ...]:
        sent = [baseline for (of, _, _), baseline in self._sent.items() if of == service]
        filed = [baseline for _, baseline in self._files.values() if baseline is not None]
        by_kind: dict[str, Baseline] = {}
        fitting = [baseline for baseline in (*sent, *filed, *self._fixed) if _is_of(baseline, model)]
        for baseline in sorted(fitting, key=lambda baseline: baseline.model.version != model.version):
            by_kind.setdefault(baseline.kind, baseline)
        by_kind = {kind: as_configured(baseline, config, model) for kind, baseline in by_kind.items()}
        if model.segment is None:
            return tuple(by_kind.values())
        parts = [baseline.of_segment(model.segment) for baseline in by_kind.values()]
        return tuple(part for part in parts if part is not None)

    def take(self, service: Service, baseline: Baseline) -> None:
        """Take a baseline that a service sent."""
        self._sent[service, baseline.model, baseline.kind] = baseline
        self._found.clear()

    def look(self) -> None:
        """Look for what has changed in the directory. A file that cannot be read leaves what it said before."""
        if self._folder is None:
            return
        try:
            stamps = {path: _stamp(path) for path in sorted(self._folder.glob(f"*{_SUFFIX}"))}
        except OSError as error:
            _logger.warning("the baselines' directory %s cannot be read: %s", self._folder, error.strerror)
            return
        changed = [path for path, stamp in stamps.items() if self._files.get(path, (None,))[0] != stamp]
        gone = self._files.keys() - stamps.keys()
        for path in changed:
            self._files[path] = stamps[path], self._read(path)
        for path in gone:
            _logger.info("baseline %s is gone", path)
            del self._files[path]
        if changed or gone:
            self._found.clear()

    def _read(self, path: Path) -> Baseline | None:
        try:
            baseline = Baseline.load(path)
        except BaselineError as error:
            _logger.error("%s", error)  # noqa: TRY400  # whose it is, and what to do, is in the message
            return self._files[path][1] if path in self._files else None
        _logger.info("baseline %s: model %s, %s", path, baseline.model.name, baseline.kind)
        return baseline


def _stamp(path: Path) -> _Stamp:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _is_of(baseline: Baseline, model: Model) -> bool:
    """Whether a baseline speaks of a model: it has its name, and its version where both have one."""
    versions = {baseline.model.version, model.version}
    return baseline.model.name == model.name and (len(versions) == 1 or "" in versions)
