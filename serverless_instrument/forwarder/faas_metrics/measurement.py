"""One measurement of the function's own metrics, before it is aggregated. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Recorder(Protocol):
        """Takes measurements."""

        def record(self, measurement: Measurement) -> None:
            """Take one."""


# kinds of instruments
HISTOGRAM, COUNTER, GAUGE = "histogram", "counter", "gauge"


class Measurement:
    """`value` for the instrument of `kind`, `name` and `unit`, at a time in Unix nanoseconds.

    `request_id` is that of the invocation, "" for one of the environment; `attributes` are (key,
    value) pairs beside those of the invocation.
    """

    __slots__ = ("attributes", "kind", "name", "request_id", "time_unix_ns", "unit", "value")

    def __init__(
        self,
        kind: str,
        name: str,
        unit: str,
        value: float,
        time_unix_ns: int,
        request_id: str = "",
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.kind = kind
        self.name = name
        self.unit = unit
        self.value = value
        self.time_unix_ns = time_unix_ns
        self.request_id = request_id
        self.attributes = attributes
