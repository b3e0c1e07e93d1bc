"""What event sources have in common: registry, carriers of trace context, HTTP and batch events."""
