"""Drift in plain PromQL, by a real Prometheus: its values are the processor's on the same window."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from promql_traffic import Replica, baseline, frame, said_by_the_processor, send

from backend_kit import Prometheus, until
from driftmeter import Baseline
from driftmeter.alerts import Recording, promql_rules
from driftmeter.config import load

WINDOW = 10
LATE = 0.3
"""The second replica exports so long after the first one, in seconds."""


def start(backends: Any, folder: Path, against: Baseline, **options: Any) -> Prometheus:
    config = load(environ={}, folder=folder, overrides={"window": WINDOW, "step": 1})
    recording = Recording(baseline=against, config=config, interval=1.0, **options)
    (folder / "rules.yml").write_text(promql_rules(recording))
    return backends.prometheus(rule_files=[folder / "rules.yml"])


def serve(prometheus: Prometheus, against: Baseline, *, rows: int) -> list[Replica]:
    """Send what two replicas export in half a minute, the next ten seconds included."""
    now = int(time.time())
    begin = now - WINDOW - 2
    replicas = [Replica("a", against, start=begin), Replica("b", against, start=begin)]
    for second in range(begin + 1, now + 16):
        for at, replica in enumerate(replicas):
            columns = frame(rows, seed=2 * second + at, shift=0.6)
            send(prometheus.otlp, replica.export(second, columns, late=LATE * at))
    return replicas


def recorded(prometheus: Prometheus, after: float) -> dict[float, dict[tuple[str, str], float]]:
    """The distances by the time of their evaluation, column and method; the evaluations that are complete."""
    by_time: dict[float, dict[tuple[str, str], float]] = {}
    for series in prometheus.api("query", query="driftmeter:column_distance[20s]")["result"]:
        key = series["metric"]["ml_column_name"], series["metric"]["ml_distance_method"]
        for at, value in series["values"]:
            by_time.setdefault(at, {})[key] = float(value)
    # The last rule is that of Jensen-Shannon: where it is there, all are.
    return {at: found for at, found in by_time.items() if at > after and ("new", "jensen_shannon") in found}


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (100, {}),
        (100, {"source": "bins"}),
        # 60 to 100 rows a window: few bins, rare categories, and categories that are seen for the first time.
        (4, {"least_rows": 1}),
    ],
    ids=["native histograms", "explicit buckets", "few rows"],
)
def test_distances_are_the_processors_on_the_same_window(backends, tmp_path, rows, options) -> None:
    against = baseline()
    prometheus = start(backends, tmp_path, against, **options)
    replicas = serve(prometheus, against, rows=rows)
    after = time.time()
    until(lambda: len(recorded(prometheus, after)) >= 2, seconds=30, otherwise=prometheus.log)
    for at, found in recorded(prometheus, after).items():
        window = [
            replica.recorded[second]
            for place, replica in enumerate(replicas)
            for second in range(int(at - LATE * place) - WINDOW + 1, int(at - LATE * place) + 1)
        ]
        expected = said_by_the_processor(window, against)
        assert found.keys() == expected.keys()
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert max(expected.values()) > 0.1
    rules = prometheus.api("rules")["groups"][0]["rules"]
    assert {rule["lastError"] for rule in rules if rule["health"] != "ok"} == set()


def test_only_the_columns_finer_than_prometheus_holds_come_from_explicit_buckets(tmp_path) -> None:
    from driftmeter.alerts._recording import columns_of

    numeric, _ = columns_of(Recording(baseline=baseline()))
    assert {column.column.name for column in numeric if column.uses_bins} == {"year", "kelvin"}
    numeric, _ = columns_of(Recording(baseline=baseline(), naming="pull"))
    assert all(column.uses_bins for column in numeric)


def test_a_scraped_process_needs_no_setting_to_have_its_distances_computed(backends, tmp_path) -> None:
    exporter = pytest.importorskip(
        "opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is not installed"
    )
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import CollectorRegistry, start_http_server

    import driftmeter

    against = baseline()
    registry = CollectorRegistry()
    provider = MeterProvider([exporter.PrometheusMetricReader(registry=registry)])
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    target = f"127.0.0.1:{server.server_address[1]}"
    try:
        driftmeter.instrument(meter_provider=provider, baseline=_saved(against, tmp_path), window="10s", step="1s")
        prometheus = start(backends, tmp_path, against, naming="pull")
        prometheus.reload(scrape_configs=[{"job_name": "shop", "static_configs": [{"targets": [target]}]}])

        def told() -> bool:
            columns = frame(500, seed=int(time.time() * 10), shift=0.6)
            driftmeter.record(model=against.model.name, version=against.model.version, features=columns)
            time.sleep(0.2)
            return bool(prometheus.query('driftmeter:column_distance{ml_distance_method="psi"}'))

        until(told, seconds=60, otherwise=prometheus.log)
        found = prometheus.values('driftmeter:column_distance{ml_distance_method="psi"}', "ml_column_name")
        sketched = Baseline.from_frame(frame(20_000, seed=3, shift=0.6), model=against.model.name)
        expected = said_by_the_processor([sketched.snapshot], against)
        for column in ("signed", "amount", "kelvin", "country"):
            # The same traffic, other rows of it.
            assert found[column] == pytest.approx(expected[column, "psi"], rel=0.3), column
    finally:
        driftmeter.shutdown()
        provider.shutdown()
        server.shutdown()
        server.server_close()
        thread.join(10)


def _saved(against: Baseline, folder: Path) -> str:
    against.save(folder / "baseline.json")
    return str(folder / "baseline.json")
