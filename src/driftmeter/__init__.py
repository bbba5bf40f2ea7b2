"""Watch machine-learning models in production through OpenTelemetry."""
