"""One OTLP export request, from the batch to the answer; pure."""

from __future__ import annotations


class Export:
    """One encoded ``Export{Trace,Logs,Metrics}ServiceRequest`` and the number of its items.

    `route` names its destination; `arrival` is its place in the order of exports, 0 before it has
    one; `under_way` while the backend's thread is at it; `doubtful` of its items went out in
    requests that nobody answered.
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
