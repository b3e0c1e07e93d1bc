"""What several triggers use: registry, trace context in events, HTTP requests, batches."""
