"""The in-process host: sketches and signals beside the SDK's own metrics."""

from driftmeter.exporter._host import Host
from driftmeter.exporter._lifecycle import flush, is_off, start, stop
from driftmeter.exporter._otlp_exporter import SketchExporter
from driftmeter.exporter._zero_code import prepare_zero_code, start_zero_code

__all__ = ["Host", "SketchExporter", "flush", "is_off", "prepare_zero_code", "start", "start_zero_code", "stop"]
