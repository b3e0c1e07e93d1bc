"""An encoded OTLP export request. Pure."""

from __future__ import annotations


class Export:
    """One encoded ``Export{Trace,Logs,Metrics}ServiceRequest`` and the number of its items.

    `route` is the name of its destination. `arrival` is its place in the order of exports, 0 until
    it is queued. `under_way` is True while a worker posts it. `doubtful` of its items were in
    requests that got no response, and may arrive twice.
    """

    __slots__ = ("arrival", "body", "count", "doubtful", "route", "signal", "under_way")

    def __init__(self, signal: str, body: bytes, count: int, route: str = "") -> None:
        self.signal = signal
        self.route = route or signal
        self.body = body
        self.count = count
        self.arrival = 0
        self.doubtful = 0
        self.under_way = False
