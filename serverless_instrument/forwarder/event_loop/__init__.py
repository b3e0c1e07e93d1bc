"""What the event loop decides and waits for: states, flushes, /next, wake-ups."""
