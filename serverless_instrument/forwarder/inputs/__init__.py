"""What others send: OTLP/HTTP posts, StatsD, lines of CloudWatch's embedded metric format."""
