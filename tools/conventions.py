"""Write docs/conventions.md from driftmeter's modules of names.

python tools/conventions.py [--check]
"""

from __future__ import annotations

import generated_page
from generated_page import code, table

from driftmeter import semconv, semconv_hardware

_TYPES = {
    "histogram": "Histogram",
    "exponential_histogram": "ExponentialHistogram",
    "counter": "Sum, monotonic",
    "up_down_counter": "Sum, not monotonic",
    "gauge": "Gauge",
}
_EVERYWHERE = (semconv.ML_MODEL_NAME, semconv.ML_MODEL_VERSION)
ATTRIBUTES = (*semconv.ATTRIBUTES, *semconv_hardware.ATTRIBUTES)
RESERVED = {semconv.ML_MODEL_TASK, semconv.ML_PREDICTION_ID}
"""Names that are settled, and that nothing emits so far."""
_PAGE = """\
# Names

<!-- Written by tools/conventions.py from src/driftmeter/semconv.py and semconv_hardware.py; do not edit. -->

Everything that driftmeter emits. Names are in the namespace `ml.*`, units are UCUM. Column names are attributes, never
parts of metric names. All that is about a model has `ml.model.name` and, where one is known, `ml.model.version`; the
tables leave these two out. What is about a segment, a part of a model's rows, has `ml.segment.<name>` too.
[The glossary](glossary.md) explains the words; [architecture](architecture.md) says where the points are made.

## Scopes

| scope | carries |
| --- | --- |
| `{scope}` | spans, log events, and the metrics that the SDK aggregates: those of calls, GPUs and driftmeter itself |
| `{scope}.sketches` | the sketches of columns and the signals, which driftmeter aggregates itself |
| `{scope}` in a baseline file | the same points of columns, with the baseline's provenance as attributes of the scope |

The schema URL of all of them is the address of this page.

## Spans

One span of kind INTERNAL for each outermost call of a model, named `{{ml.operation.name}} {{ml.model.name}}`, with
{span_attributes}, and `hw.id` where it ran
on a GPU. Where `call_resources` is on it also has {usage}.
A call that raises has the status ERROR and `error.type`. The exception's text stays in the process: frameworks quote
feature values in it.

No value of a feature is ever on a span. What was predicted is only where the [configuration](configuration.md) asks for
that, `DRIFTMETER_CAPTURE=predictions`, and of batches of at most 10 rows: {captured}.

One span likewise for each outermost training, named `fit {{ml.model.name}}` where the method is `fit`, with
{training_attributes}. What a model
predicts while it is fitted or scored is no serving: it has no span and is not counted.

## Metrics of calls

{calls}

The bounds of `{duration}` are, in seconds:
{bounds}.
Those of `{training}`:
{training_bounds}.

## Columns

Counters and histograms follow the temporality of the reader (`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`).

{columns}

`ml.column.missing` and `ml.column.invalid` also have `ml.column.kind`.

A numeric column's points are OTel exponential histograms at scales from 20 down to 3. A column whose values lie far
apart may have up to four points, told apart by `ml.column.part`, all at one scale; added up they are the column. In a
cumulative stream no value ever changes its part, and no category its name, so that no series falls.
Every part carries the column's `min` and `max`; the main one alone carries `sum`.

## Signals

Gauges, exported at each collection, that speak of the latest complete window of each model. A column with too few rows
in the window has no comparison, so no point: absent data is absent, never 0.

{signals}

## Events

Log records of the scope `{scope}` with the event name below. Severity is WARN when a verdict turns to 1, ERROR for a
column that is `critical`, and INFO when it turns back. The body says in words what moved. The time is the end of the
window.

{events}

## Hardware

[GPUs, host and process](hardware.md) says when these arrive, and which names are published ones.

### GPUs

Metrics of the scope `{scope}`, one set of points a GPU, told apart by `hw.id`. `hw.parent` is on the points of a MIG
instance. A span of a call that ran on a GPU has the same `hw.id`.

{gpu}

### Host and process

Metrics of the scope `opentelemetry.instrumentation.system_metrics`.

{host}

## driftmeter's own health

{own}

## Attributes

{attributes}
"""


def render() -> str:
    """Return the page."""
    own = [metric for metric in semconv.METRICS if metric.name.startswith("driftmeter.")]
    calls = [semconv.PREDICTION_DURATION, semconv.PREDICTION_ROWS, semconv.TRAINING_DURATION]
    columns = [metric for metric in semconv.METRICS if metric.name.startswith("ml.column.")]
    signals = [metric for metric in semconv.METRICS if metric not in (*own, *calls, *columns)]
    span_attributes = (*semconv.PREDICTION_ROWS.attributes, semconv.ML_BATCH_SIZE)
    training_attributes = (
        *semconv.TRAINING_DURATION.attributes[:-1],
        semconv.ML_TRAINING_ROWS,
        semconv.ML_TRAINING_COLUMNS,
        semconv.ML_TRAINING_LOSS,
        f"{semconv.ML_HYPERPARAMETER}.<name>",
    )
    return _PAGE.format(
        scope=semconv.SCOPE_NAME,
        training_attributes=_codes(training_attributes),
        span_attributes=_codes(span_attributes),
        captured=_codes((semconv.ML_PREDICTION_CLASS, semconv.ML_PREDICTION_VALUE, semconv.ML_PREDICTION_SCORE)),
        usage=_codes((semconv.ML_CALL_CPU_TIME, semconv.ML_CALL_MEMORY_USAGE, semconv.ML_CALL_MEMORY_GROWTH)),
        calls=_metrics(calls),
        duration=semconv.PREDICTION_DURATION.name,
        training=semconv.TRAINING_DURATION.name,
        training_bounds=", ".join(f"{bound:g}" for bound in semconv.TRAINING_BUCKETS),
        bounds=", ".join(f"{bound:g}" for bound in semconv.DURATION_BUCKETS),
        columns=_metrics(columns),
        signals=_metrics(signals),
        own=_metrics(own),
        gpu=_metrics(list(semconv_hardware.GPU_METRICS)),
        host=_metrics(list(semconv_hardware.HOST_METRICS)),
        events=table(
            ("event", "says", "attributes"),
            [(code(event.name), event.says, _codes(event.attributes)) for event in semconv.EVENTS],
        ),
        attributes=table(
            ("attribute", "type", "says", "example"),
            [(code(a.name), a.type, a.says + _reserved(a.name), code(a.example)) for a in ATTRIBUTES],
        ),
    )


def _metrics(metrics: list[semconv.Metric]) -> str:
    rows = [
        (
            code(metric.name),
            _TYPES[metric.kind],
            code(metric.unit),
            metric.says + _reserved(metric.name),
            _codes(metric.attributes),
        )
        for metric in metrics
    ]
    return table(("metric", "type", "unit", "says", "attributes"), rows)


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(code(name) for name in names if name not in _EVERYWHERE)


def _reserved(name: str) -> str:
    return " Reserved: not emitted yet." if name in RESERVED else ""


if __name__ == "__main__":
    generated_page.main(render, page="conventions.md", script="conventions.py")
