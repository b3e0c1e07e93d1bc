"""One invocation: its span from event to frames, its parent, batch span and captured payload."""
