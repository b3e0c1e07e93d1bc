"""Metric points of every origin: merged to one point for each series and flush."""
