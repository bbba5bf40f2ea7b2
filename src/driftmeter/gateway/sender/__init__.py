"""OTLP out, by gRPC or HTTP: what waits in the outbox, until it is settled."""
