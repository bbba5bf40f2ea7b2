"""The hardware that models run on: GPU and host metrics, and which GPU a call ran on."""

from driftmeter.hardware._cuda import gpu_id
from driftmeter.hardware._host_metrics import hold_back
from driftmeter.hardware._lifecycle import start, stop
from driftmeter.hardware._usage import Usage

__all__ = ["Usage", "gpu_id", "hold_back", "start", "stop"]
