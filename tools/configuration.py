"""Write docs/configuration.md from driftmeter's config classes: ``python tools/configuration.py [--check]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import partial
from typing import Any

import generated_page
from generated_page import code, table

from driftmeter.config import ColumnConfig, Config, ModelConfig, load, variable_name
from driftmeter.config._values import one_of
from driftmeter.environment_variables import DRIFTMETER_CONFIG
from driftmeter.exceptions import ConfigError
from driftmeter.gateway import CoreConfig, SenderConfig, ServerConfig

_TYPES = {
    "boolean": "true or false",
    "duration": "duration",
    "durations": "list of durations; in a variable, commas between",
    "integer": "whole number",
    "number": "number",
    "text": "text",
    "texts": "list of texts; in a variable, commas between",
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_PAGE = """\
# Configuration

<!-- Written by tools/configuration.py from the dataclasses in src/driftmeter/config; do not edit. -->

driftmeter works without any. Every key has a default, and an unknown key or a wrong value is refused at the start with
the source, the key, the rule and the value.

## Where it comes from

Four places are read, key by key, the later over the earlier:

1. environment variables: `DRIFTMETER_` and the key in capitals, for each key that holds a single value;
2. the YAML file that the environment variable `{variable}` names;
3. `[tool.driftmeter]` in the pyproject.toml of the working directory;
4. code: the arguments of `driftmeter.instrument()`.

So a file wins over the environment: what a deployment wants to set by environment variable must not be in the file.
`models` is one key: the last place that has it gives all of it.

Code may give values as text too, and `models` as mappings or as `driftmeter.config.ModelConfig` and `ColumnConfig`.
These, and `driftmeter.config.Config`, read and refuse what the files do: `ColumnConfig(kind="numerik")` and
`ColumnConfig(knd="numeric")` are a `ConfigError` that names the nearest that there is.

Wrong configuration raises `driftmeter.ConfigError` from `driftmeter.instrument()`. Under `opentelemetry-instrument` the
service starts all the same, unwatched, and the log says so once:

```text
driftmeter does not watch this process: {error}
```

## Keys

A duration is a number of seconds, or a text such as `250ms`, `30s`, `1m`, `1h`, `7d`.

{keys}

`step` must be at most `window`, and `window` a multiple of `step`. With the two equal, windows tumble; else they slide.
A `window` that is set without a `step` and is no multiple of the default step tumbles. What a sliding window may find
by chance is shared out over its steps, so a shorter step gives no more false alarms. A step that ended waits `grace`
for rows that come late, and later ones still count in the windows to come.

`seasonal`, `previous_window` and `compare_with` compare whole windows, which share no row with each other; between two
of them, the last verdicts stand. Each seasonal offset must be a multiple of `window`.

[Baselines](baselines.md) explains `segments`, moving baselines and when a verdict is 1.

## Keys of one model

Under `models`, by the model's name. They have no environment variables.

{model_keys}

## Keys of one column

Under `columns` of a model, by the column's name.

{column_keys}

## Keys of the gateway

Under `gateway`, for [`driftmeter gateway`](gateway.md) alone; serving processes pass them over. Each is also an
environment variable: `DRIFTMETER_GATEWAY_` and the key in capitals, such as `DRIFTMETER_GATEWAY_STATE`. The command
line wins over the file, and the file over the environment.

What it keeps, and sends on:

{core_keys}

Where it listens, and how much it takes:

{server_keys}

Where it sends to:

{sender_keys}

## As YAML

```yaml
{yaml}```

## As pyproject.toml

```toml
{toml}```

## OpenTelemetry's own variables

What is exported, where to and how often is the SDK's business: `OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`, `OTEL_METRIC_EXPORT_INTERVAL` and
the others hold for driftmeter's data as for any other. Windows are evaluated when a metric reader collects, so the
interval (60 s by default) is also how late a verdict can be. `OTEL_SDK_DISABLED=true` silences driftmeter too.
"""
YAML = """\
window: 1h
seasonal: [24h, 7d]                         # the same hour yesterday, and a week ago
alpha: 0.001
models:
  flight-delay:
    match: Pipeline                         # the class of the model objects
    version: "7"
    baseline: models/flight-delay.baseline.json
    segments: [origin]                      # each airport has sketches and signals of its own
    columns:
      hour:
        kind: categorical                   # a number, but its values are names
      dest:
        effect_floor: 0.05
      request_id:
        ignore: true
  flight-delay-next:
    compare_with: flight-delay              # challenger and champion
"""
TOML = """\
[tool.driftmeter]
window = "1h"
step = "1m"

[tool.driftmeter.models.flight-delay]
match = "Pipeline"
baseline = "models/flight-delay.baseline.json"

[tool.driftmeter.models.flight-delay.columns]
hour = { kind = "categorical" }
"""


def render() -> str:
    """Return the page."""
    return _PAGE.format(
        variable=DRIFTMETER_CONFIG,
        error=_example_error(),
        keys=_keys(Config, variables=True),
        model_keys=_keys(ModelConfig),
        column_keys=_keys(ColumnConfig),
        core_keys=_keys(CoreConfig),
        server_keys=_keys(ServerConfig),
        sender_keys=_keys(SenderConfig),
        yaml=YAML,
        toml=TOML,
    )


def _example_error() -> str:
    try:
        load(environ={variable_name("window"): "1x"}, folder=generated_page.DOCS)
    except ConfigError as error:
        return str(error)
    raise AssertionError("1x is no duration")


def _keys(config: Any, *, variables: bool = False) -> str:
    head = ["key", *(["variable"] if variables else []), "default", "value", "says"]
    rows = []
    for key in fields(config):
        variable = [code(variable_name(key.name)) if "parse" in key.metadata else "none"] if variables else []
        rows.append([code(key.name), *variable, _default(key), _rule(key.metadata), key.metadata["says"]])
    return table(head, rows)


def _default(key: Field[Any]) -> str:
    value: Any = None if key.default is MISSING else key.default
    if _parser(key.metadata) == "duration":
        return code(_duration(value))
    if isinstance(value, bool):
        return code(str(value).lower())
    return "" if value in (None, "", (), {}) else code(str(value))


def _duration(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds / size:.12g}{unit}"
    return f"{seconds:.12g}s"


def _rule(metadata: Mapping[str, Any]) -> str:
    if "of" in metadata:
        return "mapping"
    parse = metadata["parse"]
    if isinstance(parse, partial):
        names = ", ".join(map(code, filter(None, parse.keywords["names"])))
        return f"one of {names}" if parse.func is one_of else f"list of {names}; in a variable, commas between"
    bounds = [
        f"{word} {metadata[bound]:.12g}"
        for word, bound in (("above", "above"), ("at least", "least"), ("at most", "most"))
        if metadata.get(bound) is not None
    ]
    return ", ".join([_TYPES[_parser(metadata)], *bounds])


def _parser(metadata: Mapping[str, Any]) -> str:
    parse = metadata.get("parse")
    return "" if parse is None or isinstance(parse, partial) else str(parse.__name__)


if __name__ == "__main__":
    generated_page.main(render, page="configuration.md", script="configuration.py")
