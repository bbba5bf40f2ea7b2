"""The in-process host: it sits beside the SDK's readers and adds our sketches and signals to what they collect.

a reader collects -> Registry.take() -> Stream of every reader
                                     -> Processor -> signals, events
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric

from driftmeter import otlp, semconv
from driftmeter.exporter import _sdk
from driftmeter.exporter._bins import ColumnBins
from driftmeter.exporter._exemplars import Exemplars
from driftmeter.exporter._streams import Stream
from driftmeter.recorder import Registry, guard
from driftmeter.schema import Model

if TYPE_CHECKING:
    from driftmeter.processor import Processor

_logger = logging.getLogger("driftmeter")


class Host:
    """Feeds readers with the sketches and signals of one registry; readers may collect from several threads."""

    def __init__(self, registry: Registry, *, meter_provider: Any = None) -> None:
        self._registry = registry
        self._detach: list[Callable[[], None]] = []
        self._temporalities: dict[Any, AggregationTemporality] = {}
        self._warned = False
        meter = metrics.get_meter(semconv.SCOPE_NAME, meter_provider=meter_provider, schema_url=semconv.SCHEMA_URL)
        duration = semconv.SELF_FLUSH_DURATION
        self._flush_duration = meter.create_histogram(
            duration.name,
            unit=duration.unit,
            description=duration.says,
            explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS,
        )
        self._counters = {
            metric: meter.create_counter(metric.name, unit=metric.unit, description=metric.says)
            for metric in (semconv.SELF_DROPPED_ROWS, semconv.SELF_LATE_ROWS)
        }
        self.reset()

    def reset(self) -> None:
        """Forget every sketch and verdict; a forked child starts like this."""
        self._lock = threading.Lock()
        self._attaching = threading.Lock()
        now = self._registry.clock()
        self._processor: Processor | None = None
        self._bins = ColumnBins(self._registry.baselines)
        self._streams = {reader: self._stream(reader, now) for reader in self._temporalities}
        self._exemplars = Exemplars(self._registry)
        self._counted: dict[tuple[semconv.Metric, Model], int] = {}

    def _stream(self, reader: Any, start: int) -> Stream:
        explicit = _sdk.takes_explicit_buckets_only(reader)
        bins = self._bins if explicit or "bins" in self._registry.config.emit else None
        return Stream(self._temporalities[reader], start=start, bins=bins, exponential=not explicit)

    @property
    def attached(self) -> bool:
        """Whether anybody collects."""
        return bool(self._temporalities)

    def attach(self, provider: Any) -> None:
        """Join the readers of a meter provider; any thread may ask, and a reader is joined once."""
        with self._attaching:
            try:
                readers = _sdk.readers(provider)
            except AttributeError as error:
                self._tell_changed(error)
                return
            for reader in readers:
                exporter = _sdk.exporter_of(reader)
                if hasattr(exporter, "adds_sketches"):
                    self.add_reader(exporter, _sdk.temporality_of(exporter))
                elif reader not in self._temporalities:
                    self._join(reader, provider)

    def _join(self, reader: Any, provider: Any) -> None:
        try:
            resource = partial(_sdk.provider_resource, provider)
            self._detach.append(_sdk.attach(reader, partial(self.collect, reader), resource))
        except AttributeError as error:
            self._tell_changed(error)
        else:
            self.add_reader(reader, _sdk.temporality_of(reader))

    def _tell_changed(self, error: AttributeError) -> None:
        if not self._warned:
            _logger.warning(
                "driftmeter cannot join a metric reader of this opentelemetry-sdk (%s); set "
                "OTEL_METRICS_EXPORTER=driftmeter_otlp to send sketches and signals all the same",
                error,
            )
        self._warned = True

    def add_reader(self, reader: Any, temporality: AggregationTemporality) -> None:
        """Keep sketches for whoever calls `collect` under this name from now on."""
        with self._lock:
            if reader not in self._temporalities:
                self._temporalities[reader] = temporality
                self._streams[reader] = self._stream(reader, self._registry.clock())

    def detach(self) -> None:
        """Leave the readers as they were found."""
        for undo in self._detach:
            undo()
        self._detach.clear()
        with self._lock:
            self._temporalities.clear()
            self._streams.clear()

    def collect(self, reader: Any) -> Sequence[Metric]:
        """Return our metrics for one collection of a reader; nothing when we fail, or have left the reader."""
        began = time.perf_counter()
        with guard:
            with self._lock:
                if reader not in self._temporalities:
                    return []
                now = self._registry.clock()
                taken = self._registry.take()
                for stream in self._streams.values():
                    stream.add(taken)
                processor = self._known_processor()
                if self._registry.config.signals:
                    processor.add(taken)
                events = processor.advance(now)
                if self._registry.config.exemplars:
                    rows = self._registry.take_traced_rows()
                    for stream in self._streams.values():
                        stream.add_traced_rows(rows)
                    self._exemplars.follow(processor.latest())
                sketches = self._streams[reader].collect(now, limit=self._registry.config.max_points)
                signals = otlp.gauge_metrics(processor.signals(), time=now)
                self._count(semconv.SELF_DROPPED_ROWS, self._registry.dropped_rows())
                self._count(semconv.SELF_LATE_ROWS, processor.late_rows())
            _sdk.emit(events)
            self._flush_duration.record(time.perf_counter() - began)
            return [*sketches, *signals]
        return []

    def _known_processor(self) -> Processor:
        if self._processor is None:
            # A third of what there is to import: the first collection does, not the service's start.
            from driftmeter.processor import Processor

            config = self._registry.config
            self._processor = Processor(config, baselines=self._registry.baselines, contain=guard)
        return self._processor

    def _count(self, metric: semconv.Metric, totals: Mapping[Model, int]) -> None:
        """Count what has been added to each model's total since the last collection."""
        for model, total in totals.items():
            more = total - self._counted.get((metric, model), 0)
            self._counters[metric].add(more, otlp.model_attributes(model))
            self._counted[metric, model] = total
