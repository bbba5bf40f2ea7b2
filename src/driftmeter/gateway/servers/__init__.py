"""OTLP in, by gRPC and HTTP: who sends, is there room, what is the body, and what was answered."""
