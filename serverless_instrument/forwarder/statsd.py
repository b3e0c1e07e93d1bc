"""StatsD and DogStatsD datagrams to measurements; pure.

https://github.com/statsd/statsd/blob/master/docs/metric_types.md and
https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/.
"""

from __future__ import annotations

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
_KINDS = {"c": COUNTER, "g": GAUGE, "ms": HISTOGRAM, "h": HISTOGRAM, "d": HISTOGRAM}
_UNITS = {"ms": "ms"}


class Measurement:
    """Values of one metric; each stands for `weight` of its kind where the client samples."""

    __slots__ = ("attributes", "kind", "name", "unit", "values", "weight")

    def __init__(
        self,
        name: str,
        kind: str,
        unit: str,
        values: list[float],
        weight: float,
        attributes: dict[str, str],
    ) -> None:
        self.name = name
        self.kind = kind
        self.unit = unit
        self.values = values
        self.weight = weight
        self.attributes = attributes


def parse(datagram: bytes) -> tuple[list[Measurement], int]:
    """(measurements, malformed lines); sets, events and service checks count as malformed."""
    found, malformed = [], 0
    for line in datagram.decode("utf-8", "replace").splitlines():
        if not line.strip():
            continue
        try:
            found.append(_line(line.strip()))
        except ValueError:
            malformed += 1
    return found, malformed


def _line(line: str) -> Measurement:
    """Raises ValueError."""
    head, *sections = line.split("|")
    name, colon, texts = head.partition(":")
    if not name or not colon or not sections or sections[0] not in _KINDS:
        raise ValueError(line)
    kind = _KINDS[sections[0]]
    if kind == GAUGE and texts[:1] in ("+", "-"):
        # A change of a value that another environment may have set.
        raise ValueError(line)
    values = [_number(text) for text in texts.split(":")]
    rate, attributes = 1.0, {}
    for section in sections[1:]:
        if section[:1] == "@":
            rate = _number(section[1:])
        elif section[:1] == "#":
            attributes = dict(_tag(tag) for tag in section[1:].split(",") if tag)
    if not 0 < rate <= 1:
        raise ValueError(line)
    return Measurement(name, kind, _UNITS.get(sections[0], ""), values, 1 / rate, attributes)


def _number(text: str) -> float:
    value = float(text)
    # Python reads "1_000" and "infinity", too.
    if not text.isascii() or "_" in text or value - value != 0:
        raise ValueError(text)
    return value


def _tag(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value
