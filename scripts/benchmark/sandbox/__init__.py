"""The processes that are measured, started as Lambda does, and the Lambda API they talk to."""
