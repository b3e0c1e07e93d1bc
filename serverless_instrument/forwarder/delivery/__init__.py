"""What waits to be sent: batches, flush strategy, retry queue, breaker, spool, counts."""
