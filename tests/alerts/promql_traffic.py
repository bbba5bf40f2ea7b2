"""Traffic of two replicas as they export it, and what the processor says of any stretch of it."""

from __future__ import annotations

import functools
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from opentelemetry.sdk.metrics.export import AggregationTemporality

from backend_kit import OPENER
from driftmeter import Baseline, otlp
from driftmeter.config import Config
from driftmeter.exporter._bins import ColumnBins
from driftmeter.exporter._streams import Stream
from driftmeter.processor import Comparer, Rules
from driftmeter.sketches import Snapshot, merge_snapshots

SECOND = 1_000_000_000
METHODS = ("psi", "jensen_shannon", "kolmogorov_smirnov")


def frame(rows: int, *, seed: int, shift: float = 0.0) -> dict[str, Any]:
    """Return columns of every kind that makes a difference for bins; some move by `shift`."""
    rng = np.random.default_rng(seed)
    rare = 0.002 * np.ones(5)
    return {
        "signed": rng.normal(shift, 3.0, rows),
        "zeros": np.where(rng.random(rows) < 0.4 + shift / 5, 0.0, rng.normal(1.0, 3.0, rows)),
        "amount": rng.lognormal(3.0 + shift, 1.0, rows),
        "wide": 10.0 ** rng.uniform(-12, 12 + shift, rows),
        "count": rng.poisson(4.0 + shift, rows).astype(float),
        "year": rng.integers(2000 + round(4 * shift), 2024, rows).astype(float),
        "kelvin": rng.normal(290.0 + shift, 1.0, rows),
        "same": np.full(rows, 7.0),
        "country": rng.choice(
            ["de", "fr", "it", "$1", 'a "b" \\', *"vwxyz"],
            rows,
            p=[0.5 - shift / 9, 0.3, 0.1, 0.08, 0.01 + shift / 9, *rare],
        ).tolist(),
        "flag": rng.choice(["no", "yes"], rows, p=[0.999, 0.001]).tolist(),
        "new": rng.choice(["a", "b", "c"], rows, p=[0.5, 0.5 - shift / 4, shift / 4]).tolist(),
    }


@functools.cache
def baseline() -> Baseline:
    rows = 20_000
    return Baseline.from_frame(frame(rows, seed=1), model='m "1"', version="2", predictions=[0, 1] * (rows // 2))


class Replica:
    """One process: what it recorded in each second, and what it exports at the end of one."""

    def __init__(self, name: str, against: Baseline, *, start: int) -> None:
        self.name = name
        self.recorded: dict[int, Snapshot] = {}
        self._baseline = against
        bins = ColumnBins(lambda _: [against])
        self._stream = Stream(AggregationTemporality.CUMULATIVE, start=start * SECOND, bins=bins)

    def export(self, second: int, columns: Mapping[str, Any], *, late: float = 0.0) -> bytes:
        """Record rows and return the request that leaves at the end of the second, or some time later."""
        sketched = Baseline.from_frame(columns, model=self._baseline.model.name, version=self._baseline.model.version)
        snapshot = replace(sketched.snapshot, start=(second - 1) * SECOND, end=second * SECOND)
        self.recorded[second] = snapshot
        self._stream.add([snapshot])
        metrics = self._stream.collect(round((second + late) * SECOND), limit=100_000)
        request = otlp.to_request([({}, metrics)])
        for resource_metrics in request.resource_metrics:
            for name, value in (("service.name", "shop"), ("service.instance.id", self.name)):
                resource_metrics.resource.attributes.add(key=name).value.string_value = value
        return request.SerializeToString()


def send(url: str, body: bytes) -> None:
    request = urllib.request.Request(f"{url}/v1/metrics", body, {"Content-Type": "application/x-protobuf"})
    with OPENER.open(request, timeout=10) as response:
        assert response.status == 200


def said_by_the_processor(snapshots: list[Snapshot], against: Baseline, **config: Any) -> dict[tuple[str, str], float]:
    """Return the distance of each column's window by method, as the processor computes it."""
    window = merge_snapshots(snapshots)
    assert window is not None
    comparer = Comparer(against)
    counts = comparer.count(snapshots[0])
    for snapshot in snapshots[1:]:
        counts += comparer.count(snapshot)
    found: dict[tuple[str, str], float] = {}
    for method in METHODS:
        rules = Rules(Config(distance=method, **config), against.model)
        for verdict in comparer.verdicts(counts, rules):
            if verdict.method == method:
                found[verdict.column.name, method] = verdict.distance
    return found
