"""What the gateway's decoder and ledger take a column sketch, and what they keep for each stream.

python benchmarks/gateway/streams.py [--streams 500000] [--rounds 15]

Ten replicas send requests of 1000 sketches of some 80 buckets: one's ten models of 100 columns each, or, as a collector
batches them, all ten's one model. Cumulative streams grow from request to request. Sketches alone, and with the counts
of missing values that driftmeter's own exporter sends with each. The result is first asserted to be what
`otlp.snapshots` and merging give. Times are of one core's CPU.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import AggregationTemporality

from driftmeter import otlp
from driftmeter.gateway.streams._decode import Decoder
from driftmeter.gateway.streams._identity import Service
from driftmeter.gateway.streams._ledger import Ledger
from driftmeter.gateway.streams._limits import Limits
from driftmeter.schema import Column, Model
from driftmeter.sketches import MIN_SCALE, NumericSketch, Snapshot, merge_snapshots

SECOND = 1_000_000_000
STEP = 60 * SECOND
BEGAN = 1_700_000_040 * SECOND
COLUMNS = 100
REPLICAS = 10
"""And as many models."""
BUCKETS = 80
ROWS = 400
INTERVALS = 4
SERVICE = Service("", "checkout", "")
CUMULATIVE = AggregationTemporality.CUMULATIVE


def columns(seed: int, number: int = COLUMNS) -> dict[Column, NumericSketch]:
    """Return sketches of some `BUCKETS` buckets: of normal, lognormal and negative columns."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(number):
        values = rng.lognormal(size=ROWS) if i % 2 else rng.normal(10 if i % 4 else 0, 1, size=ROWS)
        sketch = NumericSketch.from_values(values)
        while width(sketch) > 1.5 * BUCKETS and sketch.scale > MIN_SCALE:
            sketch = sketch.at_scale(sketch.scale - 1)
        found[Column(f"column_{i}")] = replace(sketch, sum=float(round(sketch.sum)))
    return found


def width(sketch: NumericSketch) -> int:
    """Return how many buckets a sketch has on the wire, where those between occupied ones are sent too."""
    sides = [side.indexes for side in (sketch.positive, sketch.negative) if len(side)]
    return sum(int(side[-1] - side[0]) + 1 for side in sides)


def snapshot(model: str, start: int, end: int, seed: int) -> Snapshot:
    """Return one model's sketches of one interval."""
    return Snapshot(Model(model, "7"), start, end, columns(seed))


def request(parts: Sequence[tuple[int, Snapshot]], *, cumulative: bool, counts: bool) -> bytes:
    """Return a request of snapshots, each with the number of the replica that sends it."""
    message = ExportMetricsServiceRequest()
    for replica in dict.fromkeys(replica for replica, _ in parts):
        snapshots = [part for of, part in parts if of == replica]
        temporality = CUMULATIVE if cumulative else otlp.DELTA
        made = otlp.to_request([({}, otlp.sketch_metrics(snapshots, temporality=temporality))]).resource_metrics[0]
        for key, value in {
            "service.name": "checkout",
            "service.instance.id": f"8e3b9f60-0b1a-4f0e-9c58-{replica:012d}",
            "host.name": f"checkout-{replica}",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.language": "python",
        }.items():
            made.resource.attributes.add(key=key).value.string_value = value
        if not counts:
            metrics = made.scope_metrics[0].metrics
            values = [metric for metric in metrics if metric.name == "ml.column.value"]
            del metrics[:]
            metrics.extend(values)
        message.resource_metrics.append(made)
    return message.SerializeToString()


def traffic(*, cumulative: bool, batched: bool, counts: bool) -> list[tuple[int, bytes, list[Snapshot]]]:
    """Return requests of `INTERVALS` intervals: when each comes, its bytes, and what is new in it."""
    made = []
    totals: dict[tuple[int, int], Snapshot] = {}
    for interval in range(INTERVALS):
        start = BEGAN + interval * STEP
        for at in range(REPLICAS):
            sources = [(other, at) if batched else (at, other) for other in range(REPLICAS)]
            parts, new = [], []
            for replica, model in sources:
                more = snapshot(f"model_{model}", start, start + STEP, 1000 * interval + 10 * replica + model)
                new.append(more)
                known = totals.get((replica, model))
                totals[replica, model] = more if known is None else known.running_total(more)
                parts.append((replica, totals[replica, model] if cumulative else more))
            made.append((start + STEP, request(parts, cumulative=cumulative, counts=counts), new))
    return made


def ledger(limits: Limits | None = None) -> Ledger:
    """Return an empty ledger."""
    return Ledger(window=3600 * SECOND, step=STEP, limits=limits or Limits())


def assert_same(requests: Sequence[tuple[int, bytes, list[Snapshot]]], *, cumulative: bool) -> None:
    """Assert that what is counted is what was sent, each step's apart."""
    decoder, counting = Decoder(Limits()), ledger()
    for now, body, _ in requests:
        outcomes = counting.apply(decoder.decode(body), now=now)
        assert set(outcomes.passed) == {"counted"}, outcomes
    taken = {(found.model, found.start): found for found in counting.take()[SERVICE]}
    sent: dict[tuple[Model, int], list[Snapshot]] = {}
    for _, body, new in requests:
        for part in new if cumulative else otlp.snapshots([body]):
            sent.setdefault((part.model, part.start), []).append(part)
    assert taken.keys() == sent.keys()
    for key, parts in sent.items():
        merged = merge_snapshots(parts)
        assert taken[key].columns.keys() == merged.columns.keys()
        for column, sketch in taken[key].columns.items():
            if cumulative:
                assert_alike(sketch, merged.columns[column])
            else:
                assert sketch == merged.columns[column]


def assert_alike(found: NumericSketch, sent: NumericSketch) -> None:
    """Assert that two sketches hold the same, at the coarser of their scales, but for extremes within a bucket."""
    scale = min(found.scale, sent.scale)
    a, b = found.at_scale(scale), sent.at_scale(scale)
    assert (a.positive, a.negative, a.zero_count) == (b.positive, b.negative, b.zero_count)
    assert np.isclose(a.sum, b.sum, rtol=1e-6, atol=1e-6)
    base = 2**2.0**-scale
    assert np.isclose(a.min, b.min, rtol=base - 1)
    assert np.isclose(a.max, b.max, rtol=base - 1)


def repeated(requests: Sequence[tuple[int, bytes, list[Snapshot]]], *, rounds: int) -> Iterator[float]:
    """Time all intervals but the first, by a decoder that knows their names; yield the seconds."""
    decoder = Decoder(Limits())
    for _ in range(rounds):
        counting = ledger()
        for now, body, _ in requests[:REPLICAS]:
            counting.apply(decoder.decode(body), now=now)
        began = time.process_time()
        for now, body, _ in requests[REPLICAS:]:
            counting.apply(decoder.decode(body), now=now)
        yield time.process_time() - began


def time_kinds(rounds: int) -> None:
    print("| points | requests | sketches | µs a sketch | sketches a second |\n|---|---|---|---|---|")
    for cumulative in (False, True):
        for batched in (False, True):
            for counts in (False, True):
                requests = traffic(cumulative=cumulative, batched=batched, counts=counts)
                assert_same(requests, cumulative=cumulative)
                number = (len(requests) - REPLICAS) * REPLICAS * COLUMNS
                seconds = min(repeated(requests, rounds=rounds)) / number
                kind = "cumulative" if cumulative else "delta"
                of = "10 replicas, 1 model" if batched else "1 replica, 10 models"
                with_ = "with counts of missing" if counts else "alone"
                print(f"| {kind} | {of} | {with_} | {seconds * 1e6:.2f} | {1 / seconds:,.0f} |")


def resident() -> int:
    """Return the bytes that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def weigh(streams: int, *, cumulative: bool, counts: bool) -> None:
    """Print what streams take: of replicas that send one model of 100 columns for some intervals."""
    bodies = [body for _, body, _ in traffic(cumulative=cumulative, batched=False, counts=counts)]
    requests = []
    for body in bodies[::REPLICAS]:
        message = ExportMetricsServiceRequest.FromString(body)
        for metric in message.resource_metrics[0].scope_metrics[0].metrics:
            data = metric.exponential_histogram if metric.name == "ml.column.value" else metric.sum
            ours = [point for point in data.data_points if point.attributes[0].value.string_value == "model_0"]
            del data.data_points[:]
            data.data_points.extend(ours)
        requests.append(message.SerializeToString())
    # In a process of its own, which holds nothing else.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        opened, held, kept = pool.apply(weighed, (requests, streams))
    kind = "cumulative" if cumulative else "delta"
    of = "sketches and as many counts" if counts else "sketches"
    print(
        f"| {kind} | {of} | {opened:,} | {held >> 20:,} MiB | {held / opened:.0f} | {kept / opened:.0f} |", flush=True
    )


def weighed(requests: Sequence[bytes], streams: int) -> tuple[int, int, int]:
    """Open streams; return how many, what they hold, and what they take in a state file."""
    decoder, counting = Decoder(Limits()), ledger()
    messages = [ExportMetricsServiceRequest.FromString(body) for body in requests]
    before = resident()
    replicas = 0
    while counting.streams < streams:
        for interval, message in enumerate(messages, 1):
            message.resource_metrics[0].resource.attributes[1].value.string_value = f"replica-{replicas:032d}"
            outcomes = counting.apply(decoder.decode(message.SerializeToString()), now=BEGAN + interval * STEP)
            assert set(outcomes.passed) == {"counted"}, outcomes
        replicas += 1
    counting.take()
    held = resident() - before
    return counting.streams, held, sum(len(counting.dump(key)) for key in counting.shards)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--streams", type=int, default=500_000)
    options = parser.parse_args()
    print("| points | streams of | open | resident | bytes a stream | bytes a stream in a state file |")
    print("|---|---|---|---|---|---|")
    for temporality in (False, True):
        for kinds in (False, True):
            weigh(options.streams, cumulative=temporality, counts=kinds)
    time_kinds(options.rounds)
