"""Event sources: one file each, or a row of simple_sources.py; loaded with their first event."""
