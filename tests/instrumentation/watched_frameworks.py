"""An SDK that watches the given frameworks from when a test says so, to when it says stop."""

from __future__ import annotations

from typing import Any

import driftmeter


class Watched:
    """The SDK of a test, with instrumentors of frameworks."""

    def __init__(self, sdk: Any, *instrumentors: type[Any]) -> None:
        self._sdk = sdk
        self._instrumentors = instrumentors
        self.spans, self.counts = sdk.spans, sdk.counts

    def __call__(self, **settings: Any) -> None:
        """Watch from now on."""
        self._sdk.watch(**settings)
        for instrumentor in self._instrumentors:
            if not instrumentor().is_instrumented_by_opentelemetry:
                instrumentor().instrument(
                    tracer_provider=self._sdk.tracer_provider,
                    meter_provider=self._sdk.meter_provider,
                    skip_dep_check=True,
                )

    def points(self, metric: str) -> list[Any]:
        """Return one metric's data points since the process began."""
        return self._sdk.collect(self._sdk.cumulative).get(metric, [])

    def stop(self) -> None:
        """Leave everything as it was found."""
        driftmeter.shutdown()
        for instrumentor in self._instrumentors:
            if instrumentor().is_instrumented_by_opentelemetry:
                instrumentor().uninstrument()
