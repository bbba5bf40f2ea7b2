"""Write the golden files of the processor: OTLP in, next step, OTLP out: ``python tools/golden.py``.

A case is a folder of tests/processor/golden: `config.yaml`, baseline files, and for each step `NN.in.json`, the OTLP
that comes in (a text in OTLP JSON, a request a line), and `NN.out.json`, what the processor says after it: signals as
OTLP metrics, verdicts that turned as OTLP log records. Inputs are written once and then read; outputs are what the
code says now, so look at the difference before committing it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from driftmeter import Baseline, otlp
from driftmeter.config import load
from driftmeter.processor import Event, Processor
from driftmeter.schema import Model
from driftmeter.sketches import Snapshot

FOLDER = Path(__file__).resolve().parents[1] / "tests/processor/golden"
SECOND = 1_000_000_000
START = 1_800_000_000
STEP = 60
_SEVERITIES = {
    "info": SeverityNumber.SEVERITY_NUMBER_INFO,
    "warn": SeverityNumber.SEVERITY_NUMBER_WARN,
    "error": SeverityNumber.SEVERITY_NUMBER_ERROR,
}


@dataclass(frozen=True)
class Case:
    """One case: what its configuration and its baselines are, and what comes in before each step ends."""

    config: dict[str, Any]
    steps: Sequence[Sequence[Snapshot]]
    baselines: dict[str, Baseline] = field(default_factory=dict)


def _columns(rows: int, seed: int, **changed: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    columns = {
        "amount": np.round(rng.lognormal(3.0, 0.5, rows)),
        "country": rng.choice(["de", "fr", "it"], rows, p=[0.5, 0.3, 0.2]).tolist(),
    }
    return {name: values for name, values in {**columns, **changed}.items() if values is not None}


def _served(step: int, columns: dict[str, Any], *, second: int = 0) -> Snapshot:
    start = (START + step * STEP + second) * SECOND
    sketched = Baseline.from_frame(columns, model="pay").snapshot
    return replace(sketched, start=start, end=start + SECOND)


def _usual(step: int, **changed: Any) -> Snapshot:
    return _served(step, _columns(120, 100 + step, **changed))


def _training(**options: Any) -> Baseline:
    baseline = Baseline.from_frame(_columns(1000, 1), model="pay", **options)
    snapshot = replace(baseline.snapshot, start=START * SECOND, end=START * SECOND)
    return replace(baseline, snapshot=snapshot, created="2027-01-15T08:00:00+00:00")


def _larger(step: int) -> Snapshot:
    rng = np.random.default_rng(step)
    return _usual(step, amount=np.round(rng.lognormal(4.0, 0.5, 120)))


def cases() -> dict[str, Case]:
    """Return the cases by name."""
    rng = np.random.default_rng(9)
    tumbling = {"window": "1m", "step": "1m", "baseline": "training.json"}
    training = {"training.json": _training()}
    broken = _usual(1, amount=np.where(rng.random(120) < 0.2, math.nan, 20.0), country=["xx"] * 30 + ["de"] * 90)
    return {
        "a_verdict_turns_and_turns_back": Case(
            tumbling, [[_usual(0)], [_larger(1)], [_larger(2)], [_usual(3)]], training
        ),
        "bad_values_are_found_by_their_checks": Case(
            tumbling, [[_usual(0)], [broken], [_usual(2, country=None, city=["a"] * 120)]], training
        ),
        "late_rows_land_in_their_own_step_of_a_sliding_window": Case(
            {"window": "3m", "step": "1m", "grace": "1m", "baseline": "training.json"},
            [[_usual(0)], [_usual(2), _usual(1)], [_served(1, _columns(40, 7), second=30)], [], [_usual(0)]],
            training,
        ),
        "the_first_rows_are_learned_where_no_baseline_is": Case(
            {"window": "1m", "step": "1m", "learn_rows": 300},
            [[_usual(0)], [_usual(1)], [_usual(2)], [_usual(3)], [_larger(4)]],
        ),
        "a_challenger_is_compared_with_its_champion": Case(
            {"window": "1m", "step": "1m", "learn_rows": 0, "models": {"pay": {"compare_with": "pay@2"}}},
            [
                [
                    _served(step, _columns(400, step, **({"country": ["it"] * 400} if step == 2 else {}))),
                    replace(_served(step, _columns(400, 50 + step)), model=Model("pay", "2")),
                ]
                for step in range(3)
            ],
        ),
        "a_minute_is_compared_with_the_one_two_minutes_before": Case(
            {"window": "1m", "step": "1m", "learn_rows": 0, "seasonal": ["2m"]},
            [
                [_served(step, {"size": rng.integers(0, 12, 400) + (6 if step == 12 else 0)})]  # eight are learned from
                for step in range(14)
            ],
        ),
    }


def replay(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each output file of a case and what the processor says there."""
    config = load(environ={}, folder=folder, overrides=yaml.safe_load((folder / "config.yaml").read_text()))
    baselines = [Baseline.load(folder / path) for path in config.baseline]
    processor = Processor(config, baselines=lambda model: [each for each in baselines if each.model == model])
    for at, path in enumerate(sorted(folder.glob("*.in.json"))):
        requests = otlp.from_json(path.read_text())
        processor.add(snapshot for request in requests for snapshot in otlp.snapshots([request]))
        now = (START + (at + 1) * STEP) * SECOND
        events = processor.advance(now)
        metrics = otlp.to_request([({}, otlp.gauge_metrics(processor.signals(), time=now))])
        said = {**json.loads(otlp.to_json(metrics)), "logRecords": [_record(event) for event in events]}
        yield path.with_name(path.name.replace(".in.", ".out.")), said


def _record(event: Event) -> dict[str, Any]:
    record = LogRecord(time_unix_nano=event.time, event_name=event.name, severity_number=_SEVERITIES[event.severity])
    record.body.string_value = event.body
    for name, value in event.attributes.items():
        record.attributes.add(key=name).value.string_value = value
    return dict(MessageToDict(record, use_integers_for_enums=True))


def _write_inputs(folder: Path, case: Case) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(case.config))
    for name, baseline in case.baselines.items():
        baseline.save(folder / name)
    for at, snapshots in enumerate(case.steps):
        requests = [
            otlp.to_request([({}, otlp.sketch_metrics([snapshot], temporality=otlp.DELTA))]) for snapshot in snapshots
        ]
        (folder / f"{at:02}.in.json").write_text("".join(otlp.to_json(request) + "\n" for request in requests))


def alike(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal but for the last digits of numbers."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)
    return bool(a == b)


def main() -> None:
    """Write the files; inputs that are there stay."""
    for name, case in cases().items():
        folder = FOLDER / name
        if not folder.is_dir():
            _write_inputs(folder, case)
        for path, said in replay(folder):
            path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
