"""From a model's calls to snapshots: identity, a bounded row buffer, and the guard around it all."""

from driftmeter.recorder._active import activate, active, decided
from driftmeter.recorder._guard import guard
from driftmeter.recorder._identity import Identity, digest_of
from driftmeter.recorder._model import Columns, Limits, ModelRecorder
from driftmeter.recorder._registry import Bound, Registry, load_baselines
from driftmeter.recorder._seeker import Bin, Seeker

__all__ = [
    "Bin",
    "Bound",
    "Columns",
    "Identity",
    "Limits",
    "ModelRecorder",
    "Registry",
    "Seeker",
    "activate",
    "active",
    "decided",
    "digest_of",
    "guard",
    "load_baselines",
]
