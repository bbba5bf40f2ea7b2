"""What importing and starting driftmeter brings into a process: nothing heavy that the program has not imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "scipy", "pandas", "polars", "pyarrow", "sklearn", "joblib", "torch", "tensorflow", "xgboost", "lightgbm",
    "grpc", "click", "rich", "yaml", "ddsketch", "pynvml", "fastapi",
)  # fmt: skip
FOUND = f"import sys; print(sorted({{name.split('.')[0] for name in sys.modules}} & set({HEAVY!r})))"


def _run(command: list[str], folder: Path, **variables: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "DRIFTMETER_", "PYTEST_"))}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "code",
    [
        "import driftmeter",
        "import driftmeter; driftmeter.instrument()",
        "import driftmeter; driftmeter.instrument(); driftmeter.record(model='m', features=[{'x': 1, 'c': 'a'}])",
        "import driftmeter as d; d.Baseline.from_frame({'x': [1]}, model='m').save('b'); d.instrument(baseline='b')",
    ],
    ids=["import", "instrument", "record", "baseline"],
)
def test_nothing_heavy_is_imported_until_it_is_used(code, tmp_path) -> None:
    assert _run([sys.executable, "-c", f"{code}\n{FOUND}"], tmp_path) == "[]"


def test_zero_code_imports_nothing_that_the_sdk_does_not(tmp_path) -> None:
    code = f"from driftmeter.recorder import active; assert active() is not None; {FOUND}"
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", code]
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        # Others' instrumentations may import what they instrument.
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "fastapi,asgi,system_metrics",
    }
    assert _run(command, tmp_path, **variables) == "[]"


def test_what_compares_windows_is_imported_by_the_first_collection(tmp_path) -> None:
    code = """
import sys, driftmeter
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
metrics.set_meter_provider(MeterProvider([reader := InMemoryMetricReader()]))
driftmeter.instrument()
driftmeter.record(model="m", features=[{"x": 1}])
before = "driftmeter.processor" in sys.modules or "driftmeter.stats" in sys.modules
reader.get_metrics_data()
print(before, "driftmeter.processor" in sys.modules)
"""
    assert _run([sys.executable, "-c", code], tmp_path) == "False True"


def test_scikit_learn_is_watched_though_it_is_imported_later(tmp_path) -> None:
    code = """
import sys, driftmeter
driftmeter.instrument()
assert "sklearn" not in sys.modules
from sklearn.linear_model import LogisticRegression
print(LogisticRegression.predict.__driftmeter_watched__ is LogisticRegression.predict)
"""
    assert _run([sys.executable, "-c", code], tmp_path) == "True"
