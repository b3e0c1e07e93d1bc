"""Fails at import."""

raise KeyboardInterrupt
