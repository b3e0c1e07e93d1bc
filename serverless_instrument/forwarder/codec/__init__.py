"""OTLP as bytes: protobuf and JSON, export requests, spans and resource of the forwarder's own."""
