"""OTLP as bytes: protobuf and JSON, spans and the resource of the forwarder's own."""
