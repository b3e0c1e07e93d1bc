"""StatsD and DogStatsD datagrams to measurements; pure.

https://github.com/statsd/statsd/blob/master/docs/metric_types.md and
https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/, up to version 1.4 of the protocol.
"""

from __future__ import annotations

from serverless_instrument.forwarder.metrics.distribution import is_value

COUNTER, GAUGE, HISTOGRAM, SET = "counter", "gauge", "histogram", "set"
_KINDS = {
    "c": COUNTER,
    "g": GAUGE,
    "ms": HISTOGRAM,
    "h": HISTOGRAM,
    "d": HISTOGRAM,
    "s": SET,
}
_UNITS = {"ms": "ms"}
# DogStatsD has more than metrics: https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/.
_EVENT, _SERVICE_CHECK = "_e{", "_sc|"
# OpenTelemetry's, of an instrument's name.
_LONGEST_NAME = 255
# The largest datagram that a client sends has 8 KiB; a line is a part of it.
_LONGEST_LINE = 8192
# A count is divided by the rate, and has 64 bits.
_LEAST_RATE = 1e-6
_NS_PER_S = 1_000_000_000
# Of DogStatsD alone: a container, external data, a time, a cardinality.
_DOGSTATSD = ("#", "c:", "e:", "T", "card:")


class Measurement:
    """What one line says of one metric; each of `values` stands for `weight` of its kind.

    `members` are a set's instead of values; `time_unix_ns` is 0 where the line tells no time.
    `relative` has True for each value that is the change of a gauge.
    """

    __slots__ = (
        "attributes",
        "kind",
        "members",
        "name",
        "relative",
        "time_unix_ns",
        "unit",
        "values",
        "weight",
    )

    def __init__(self, name: str, kind: str, unit: str) -> None:
        self.name = name
        self.kind = kind
        self.unit = unit
        self.values: list[float] = []
        self.members: list[str] = []
        self.relative: list[bool] = []
        self.weight = 1.0
        self.attributes: dict[str, str] = {}
        self.time_unix_ns = 0


def parse(datagram: bytes) -> tuple[list[Measurement], list[str], int]:
    """(measurements, malformed lines, number of events and service checks)."""
    found: list[Measurement] = []
    malformed: list[str] = []
    others = 0
    for line in datagram.decode("utf-8", "replace").split("\n"):
        stripped = line.strip()
        if not stripped:
            continue
        if stripped.startswith((_EVENT, _SERVICE_CHECK)):
            others += 1
            continue
        try:
            found.append(_line(stripped))
        except ValueError:
            malformed.append(stripped)
    return found, malformed, others


def _line(line: str) -> Measurement:
    """Raises ValueError."""
    head, *sections = line.split("|")
    name, colon, texts = head.partition(":")
    name = name.strip()
    if not colon or not sections or not 0 < len(name) <= _LONGEST_NAME or len(line) > _LONGEST_LINE:
        raise ValueError(line)
    code = sections[0].strip()
    if code not in _KINDS:
        raise ValueError(line)
    measurement = Measurement(name, _KINDS[code], _UNITS.get(code, ""))
    for section in sections[1:]:
        _section(measurement, section)
    if measurement.kind == SET:
        # A member may have any characters, and there is one in a line.
        measurement.members = [texts]
        return measurement
    for text in texts.split(":"):
        measurement.values.append(_number(text))
    if measurement.kind == GAUGE:
        # StatsD's way to say a change. A DogStatsD client means a number below zero; it never
        # writes a plus sign.
        dogstatsd = any(section.startswith(_DOGSTATSD) for section in sections[1:])
        signs = ("+",) if dogstatsd else ("+", "-")
        measurement.relative = [text.strip().startswith(signs) for text in texts.split(":")]
    return measurement


def _section(measurement: Measurement, section: str) -> None:
    """Raises ValueError. Others than these are of a later version, or not of use here."""
    if section.startswith("@"):
        rate = _number(section[1:])
        if not _LEAST_RATE <= rate <= 1:
            raise ValueError(section)
        measurement.weight = 1 / rate
    elif section.startswith("#"):
        tags = [_tag(tag) for tag in section[1:].split(",")]
        measurement.attributes = {name: value for name, value in tags if name}
    elif section.startswith("T") and section[1:12].isascii() and section[1:12].isdigit():
        measurement.time_unix_ns = int(section[1:12]) * _NS_PER_S


def _number(text: str) -> float:
    value = float(text)
    # Python reads "1_000" and "infinity", too.
    if not text.isascii() or "_" in text or not is_value(value):
        raise ValueError(text)
    return value


def _tag(text: str) -> tuple[str, str]:
    """A tag without a value is an attribute of "", as in the OpenTelemetry Collector."""
    name, _, value = text.partition(":")
    return name.strip(), value
