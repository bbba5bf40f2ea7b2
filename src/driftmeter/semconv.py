"""Every name that driftmeter emits: attributes, metrics with unit and kind, events.

Those of hardware are in semconv_hardware.py.

docs/conventions.md is generated from this file (``python tools/conventions.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SCOPE_NAME: Final = "driftmeter"
SKETCH_SCOPE_NAME: Final = "driftmeter.sketches"
"""Of what is injected beside an SDK's own metrics: two scopes of one name would overwrite each other in its encoder."""
SCHEMA_URL: Final = "https://github.com/driftmeter/driftmeter/blob/main/docs/conventions.md"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its name, the type of its values, what it says, an example."""

    name: str
    type: Literal["string", "string[]", "double[]", "int", "double", "string, int, double or boolean"]
    says: str
    example: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, OTel data type, UCUM unit, what it says, and its attributes."""

    name: str
    kind: Literal["histogram", "exponential_histogram", "counter", "up_down_counter", "gauge"]
    unit: str
    says: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One OTel log event: its name, what it says, and its attributes."""

    name: str
    says: str
    attributes: tuple[str, ...]


ML_MODEL_NAME: Final = "ml.model.name"
ML_MODEL_VERSION: Final = "ml.model.version"
ML_MODEL_FRAMEWORK: Final = "ml.model.framework"
ML_MODEL_TASK: Final = "ml.model.task"
ML_OPERATION_NAME: Final = "ml.operation.name"
ML_BATCH_SIZE: Final = "ml.batch.size"
ML_COLUMN_NAME: Final = "ml.column.name"
ML_COLUMN_ROLE: Final = "ml.column.role"
ML_COLUMN_KIND: Final = "ml.column.kind"
ML_COLUMN_PART: Final = "ml.column.part"
ML_CATEGORY: Final = "ml.category"
ML_BASELINE_KIND: Final = "ml.baseline.kind"
ML_BASELINE_ID: Final = "ml.baseline.id"
ML_BASELINE_CREATED: Final = "ml.baseline.created"
ML_BASELINE_SOURCE: Final = "ml.baseline.source"
ML_BASELINE_BLOCK: Final = "ml.baseline.block"
ML_BASELINE_FEATURES: Final = "ml.baseline.features"
ML_DISTANCE_METHOD: Final = "ml.distance.method"
ML_QUALITY_CHECK: Final = "ml.quality.check"
ML_TRAINING_ROWS: Final = "ml.training.rows"
ML_TRAINING_COLUMNS: Final = "ml.training.columns"
ML_TRAINING_LOSS: Final = "ml.training.loss"
ML_HYPERPARAMETER: Final = "ml.hyperparameter"
ML_SERVER_NAME: Final = "ml.server.name"
ML_PREDICTION_ID: Final = "ml.prediction.id"
ML_PREDICTION_CLASS: Final = "ml.prediction.class"
ML_PREDICTION_VALUE: Final = "ml.prediction.value"
ML_PREDICTION_SCORE: Final = "ml.prediction.score"
ML_SEGMENT: Final = "ml.segment."
"""The start of an attribute's name, which ends with that of the column."""
ML_CALL_CPU_TIME: Final = "ml.call.cpu.time"
ML_CALL_MEMORY_USAGE: Final = "ml.call.memory.usage"
ML_CALL_MEMORY_GROWTH: Final = "ml.call.memory.growth"
ERROR_TYPE: Final = "error.type"
DRIFTMETER_SIGNAL: Final = "driftmeter.signal"
DRIFTMETER_OUTCOME: Final = "driftmeter.outcome"

# Of resources; published conventions.
SERVICE_NAME: Final = "service.name"
SERVICE_NAMESPACE: Final = "service.namespace"
DEPLOYMENT_ENVIRONMENTS: Final = ("deployment.environment.name", "deployment.environment")
"""The newer name first."""
OF_ONE_REPLICA: Final = (
    "service.instance.id",
    "host.",
    "os.",
    "process.",
    "container.",
    "k8s.pod.",
    "k8s.container.",
    "k8s.node.",
    "k8s.replicaset.",
    "aws.ecs.task.",
    "aws.ecs.container.",
    "faas.instance",
)
"""Names, and starts of names, that tell the replicas of a service apart, or where each of them runs."""

ATTRIBUTES: Final = (
    Attribute(ML_MODEL_NAME, "string", "The model's name.", "flight-delay"),
    Attribute(ML_MODEL_VERSION, "string", "The model's version, when it has one.", "7"),
    Attribute(ML_MODEL_FRAMEWORK, "string", "The framework that predicts.", "sklearn"),
    Attribute(ML_MODEL_TASK, "string", "What the model does.", "classification"),
    Attribute(ML_OPERATION_NAME, "string", "The method that was called.", "predict_proba"),
    Attribute(ML_BATCH_SIZE, "int", "Rows in one call.", "32"),
    Attribute(ML_COLUMN_NAME, "string", "A feature, prediction, score or label.", "temp"),
    Attribute(ML_COLUMN_ROLE, "string", "feature, prediction, score or label.", "feature"),
    Attribute(ML_COLUMN_KIND, "string", "numeric or categorical.", "numeric"),
    Attribute(
        ML_COLUMN_PART,
        "string",
        "Tells apart the points of one numeric column whose occupied buckets lie far from each other: the "
        "power of two that the part began at; absent on the main part.",
        "1.70141e+38",
    ),
    Attribute(ML_CATEGORY, "string", "One category; `__other__` holds those that are not kept apart.", "JFK"),
    Attribute(
        ML_BASELINE_KIND,
        "string",
        "training, validation, previous_window, seasonal or model.",
        "training",
    ),
    Attribute(
        ML_BASELINE_ID,
        "string",
        "Which baseline: a digest of a file's content, a seasonal one's offset, another model's name.",
        "3f9c2b7a",
    ),
    Attribute(ML_BASELINE_CREATED, "string", "When the baseline was built, ISO 8601.", "2013-03-01T00:00:00Z"),
    Attribute(ML_BASELINE_SOURCE, "string", "What the baseline was built from, in its builder's words.", "Q1"),
    Attribute(ML_BASELINE_BLOCK, "int", "Which block of time of a baseline's rows, in its file.", "3"),
    Attribute(ML_BASELINE_FEATURES, "string[]", "The features, in the model's order.", "temp, hour"),
    Attribute(ML_DISTANCE_METHOD, "string", "How a distance was computed.", "psi"),
    Attribute(
        ML_QUALITY_CHECK,
        "string",
        "missing, non_finite, type_mismatch, out_of_range, unseen_category, constant, missing_column, "
        "unexpected_column or volume, which is about the whole window and has no column.",
        "missing",
    ),
    Attribute(
        f"{ML_SEGMENT}<name>",
        "string",
        "What the model's rows are when they are not all of them: those with this value in the column `<name>`.",
        "JFK",
    ),
    Attribute(ML_TRAINING_ROWS, "int", "Rows that a model was trained on.", "100000"),
    Attribute(ML_TRAINING_COLUMNS, "int", "Columns that a model was trained on.", "20"),
    Attribute(ML_TRAINING_LOSS, "double", "The loss at the end of a training, where the framework tells it.", "0.31"),
    Attribute(
        f"{ML_HYPERPARAMETER}.<name>",
        "string, int, double or boolean",
        "A hyperparameter of the trained model: those that are single values, 64 at most.",
        "100",
    ),
    Attribute(ML_PREDICTION_ID, "string", "Joins a prediction with its outcome.", "b1c2"),
    Attribute(
        ML_PREDICTION_CLASS,
        "string[]",
        "The predicted class of each row, where `capture` asks for that and there are at most 10 rows. Of one of "
        "several outputs the name goes on, with a dot and the output's.",
        "late",
    ),
    Attribute(ML_PREDICTION_VALUE, "double[]", "Likewise the predicted number of each row.", "12.5"),
    Attribute(
        ML_PREDICTION_SCORE,
        "double[]",
        "Likewise the score of each row; of a class, as `ml.prediction.score.late`, where the model tells which.",
        "0.83",
    ),
    Attribute(ML_SERVER_NAME, "string", "The model server whose call a span is about.", "kserve"),
    Attribute(
        ERROR_TYPE,
        "string",
        "The exception's class, when the call failed; of a GPU's errors `corrected`, `uncorrected` or the XID.",
        "ValueError",
    ),
    Attribute(
        ML_CALL_CPU_TIME,
        "double",
        "Seconds of CPU time that the process used, in all its threads, during a call.",
        "0.03",
    ),
    Attribute(
        ML_CALL_MEMORY_USAGE, "int", "Memory of the process, resident, at the end of a call, in bytes.", "482344960"
    ),
    Attribute(ML_CALL_MEMORY_GROWTH, "int", "How much of it came during the call; negative when it shrank.", "1048576"),
    Attribute(DRIFTMETER_SIGNAL, "string", "What a request to the gateway held: metrics, traces or logs.", "metrics"),
    Attribute(DRIFTMETER_OUTCOME, "string", "What became of what came to the gateway, or left it.", "counted"),
)

_MODEL = (ML_MODEL_NAME, ML_MODEL_VERSION)
_CALL = (*_MODEL, ML_MODEL_FRAMEWORK, ML_OPERATION_NAME)
_COLUMN = (*_MODEL, ML_COLUMN_NAME, ML_COLUMN_ROLE)
_BASELINE = (ML_BASELINE_KIND, ML_BASELINE_ID)

PREDICTION_DURATION: Final = Metric(
    "ml.prediction.duration", "histogram", "s", "Duration of one call of the model.", (*_CALL, ERROR_TYPE)
)
PREDICTION_ROWS: Final = Metric("ml.prediction.rows", "counter", "{row}", "Rows predicted.", _CALL)
TRAINING_DURATION: Final = Metric(
    "ml.training.duration", "histogram", "s", "Duration of one training of a model.", (*_CALL, ERROR_TYPE)
)
COLUMN_VALUE: Final = Metric(
    "ml.column.value",
    "exponential_histogram",
    "1",
    "The distribution of a numeric column's finite values.",
    (*_COLUMN, ML_COLUMN_PART),
)
COLUMN_BINS: Final = Metric(
    "ml.column.bins",
    "histogram",
    "1",
    "The same with explicit bounds, those of the bins of the column's baseline: for backends without exponential "
    "histograms, where `emit` asks for it, and always for Prometheus' pull reader.",
    _COLUMN,
)
COLUMN_CATEGORIES: Final = Metric(
    "ml.column.categories", "counter", "{value}", "Values of a categorical column.", (*_COLUMN, ML_CATEGORY)
)
COLUMN_MISSING: Final = Metric(
    "ml.column.missing", "counter", "{value}", "Nulls: None, NaN, NA.", (*_COLUMN, ML_COLUMN_KIND)
)
COLUMN_INVALID: Final = Metric(
    "ml.column.invalid",
    "counter",
    "{value}",
    "Values that cannot be sketched: infinite (`non_finite`) or of the wrong type (`type_mismatch`).",
    (*_COLUMN, ML_COLUMN_KIND, ML_QUALITY_CHECK),
)


def _comparison(word: str, against: str) -> tuple[Metric, Metric, Metric, Metric]:
    column = (*_COLUMN, *_BASELINE)
    return (
        Metric(
            f"ml.{word}.distance",
            "gauge",
            "1",
            f"Distance of a column's window from {against}.",
            (*column, ML_DISTANCE_METHOD),
        ),
        Metric(
            f"ml.{word}.p_value",
            "gauge",
            "1",
            "How likely a distance this large is when nothing changed; it knows both sample sizes, "
            "and is adjusted for the number of columns (false discovery rate).",
            column,
        ),
        Metric(f"ml.{word}.detected", "gauge", "1", "The verdict: 1 detected, 0 not.", column),
        Metric(f"ml.{word}.share", "gauge", "1", "Share of features with a verdict of 1.", (*_MODEL, *_BASELINE)),
    )


SKEW_DISTANCE, SKEW_P_VALUE, SKEW_DETECTED, SKEW_SHARE = _comparison("skew", "training or validation data")
DRIFT_DISTANCE, DRIFT_P_VALUE, DRIFT_DETECTED, DRIFT_SHARE = _comparison("drift", "earlier serving data")

QUALITY_RATIO: Final = Metric(
    "ml.quality.ratio",
    "gauge",
    "1",
    "Share of a column's values that fail a check; of `volume`, the window's rows as a share of the usual.",
    (*_COLUMN, ML_QUALITY_CHECK),
)
QUALITY_VIOLATED: Final = Metric(
    "ml.quality.violated",
    "gauge",
    "1",
    "The verdict: 1 when the ratio exceeds the baseline's by more than chance and the floor, else 0.",
    (*_COLUMN, ML_QUALITY_CHECK),
)
BASELINE_TIME: Final = Metric(
    "ml.baseline.time",
    "gauge",
    "s",
    "When the baseline was built, in Unix time; of baselines that say so.",
    (*_MODEL, *_BASELINE),
)
WINDOW_ROWS: Final = Metric("ml.window.rows", "gauge", "{row}", "Rows in the window the signals speak of.", _MODEL)
WINDOW_END: Final = Metric(
    "ml.window.end", "gauge", "s", "When the window that the signals speak of ended, in Unix time.", _MODEL
)
SELF_ERRORS: Final = Metric(
    "driftmeter.errors", "counter", "{error}", "Errors of driftmeter's own that it swallowed.", (ERROR_TYPE,)
)
SELF_DROPPED_ROWS: Final = Metric("driftmeter.dropped_rows", "counter", "{row}", "Rows that were not sketched.", _MODEL)
SELF_LATE_ROWS: Final = Metric(
    "driftmeter.late_rows", "counter", "{row}", "Rows that came after the last window that could hold them.", _MODEL
)
SELF_DROPPED_POINTS: Final = Metric(
    "driftmeter.dropped_points",
    "counter",
    "{point}",
    "Sketch data points left out of exports, because an export had `max_points`.",
    _MODEL,
)
SELF_UNREADABLE: Final = Metric(
    "driftmeter.unreadable_calls",
    "counter",
    "{call}",
    "Calls whose rows came in a form that driftmeter does not read; the log says once which.",
    _MODEL,
)
SELF_FLUSH_DURATION: Final = Metric(
    "driftmeter.flush.duration", "histogram", "s", "Time one collection spent on sketches and signals.", ()
)
GATEWAY_REQUESTS: Final = Metric(
    "driftmeter.gateway.requests",
    "counter",
    "{request}",
    "Requests that the gateway received, by what they were answered.",
    (DRIFTMETER_SIGNAL, DRIFTMETER_OUTCOME),
)
GATEWAY_POINTS: Final = Metric(
    "driftmeter.gateway.points",
    "counter",
    "{point}",
    "Sketch data points that the gateway received, by what became of them.",
    (DRIFTMETER_OUTCOME,),
)
GATEWAY_SENT: Final = Metric(
    "driftmeter.gateway.sent",
    "counter",
    "{request}",
    "Requests that the gateway sent on, by outcome.",
    (DRIFTMETER_SIGNAL, DRIFTMETER_OUTCOME),
)
GATEWAY_STREAMS: Final = Metric(
    "driftmeter.gateway.streams", "gauge", "{stream}", "Streams that the gateway keeps positions of.", ()
)
GATEWAY_MODELS: Final = Metric("driftmeter.gateway.models", "gauge", "{model}", "Models that the gateway watches.", ())
GATEWAY_OUTBOX: Final = Metric(
    "driftmeter.gateway.outbox.size", "gauge", "By", "What waits to be sent on by the gateway.", ()
)
GATEWAY_TICK_DURATION: Final = Metric(
    "driftmeter.gateway.tick.duration", "gauge", "s", "Time that the gateway's last evaluation took.", ()
)

PERFORMANCE: Final = "ml.performance."
"""The start of the names that performance, measured or estimated, is to have; nothing emits it so far."""

METRICS: Final = (
    PREDICTION_DURATION,
    PREDICTION_ROWS,
    TRAINING_DURATION,
    COLUMN_VALUE,
    COLUMN_BINS,
    COLUMN_CATEGORIES,
    COLUMN_MISSING,
    COLUMN_INVALID,
    SKEW_DISTANCE,
    SKEW_P_VALUE,
    SKEW_DETECTED,
    SKEW_SHARE,
    DRIFT_DISTANCE,
    DRIFT_P_VALUE,
    DRIFT_DETECTED,
    DRIFT_SHARE,
    QUALITY_RATIO,
    QUALITY_VIOLATED,
    BASELINE_TIME,
    WINDOW_ROWS,
    WINDOW_END,
    SELF_ERRORS,
    SELF_DROPPED_ROWS,
    SELF_LATE_ROWS,
    SELF_DROPPED_POINTS,
    SELF_UNREADABLE,
    SELF_FLUSH_DURATION,
    GATEWAY_REQUESTS,
    GATEWAY_POINTS,
    GATEWAY_SENT,
    GATEWAY_STREAMS,
    GATEWAY_MODELS,
    GATEWAY_OUTBOX,
    GATEWAY_TICK_DURATION,
)


def _turn(word: str) -> tuple[Event, Event]:
    column = (*_COLUMN, *_BASELINE)
    return (
        Event(f"ml.{word}.detected", "A verdict turned to 1; the body says what moved.", column),
        Event(f"ml.{word}.resolved", "A verdict turned back to 0.", column),
    )


SKEW_TURNED, DRIFT_TURNED = _turn("skew"), _turn("drift")
QUALITY_TURNED: Final = (
    Event(
        "ml.quality.violated",
        "A quality check turned to violated; the body says how.",
        (*_COLUMN, ML_QUALITY_CHECK),
    ),
    Event("ml.quality.resolved", "A quality check is kept again.", (*_COLUMN, ML_QUALITY_CHECK)),
)
EVENTS: Final = (*SKEW_TURNED, *DRIFT_TURNED, *QUALITY_TURNED)

DURATION_BUCKETS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Explicit bounds of ``ml.prediction.duration``, in seconds: half a millisecond to ten seconds."""

TRAINING_BUCKETS: Final = (
    0.01,
    0.1,
    0.5,
    1.0,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
    7200.0,
    21_600.0,
)
"""Explicit bounds of ``ml.training.duration``, in seconds: ten milliseconds to six hours."""
