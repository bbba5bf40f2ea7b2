"""The processor as a service: OTLP in from many replicas, signals out."""
