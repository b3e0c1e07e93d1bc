"""Fails at import."""

{}["tea"]
