"""Parser of StatsD and DogStatsD datagrams. Pure.

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
# OpenTelemetry's limit of an instrument's name.
_MAX_NAME_CHARACTERS = 255
# A line is a part of a datagram, of which clients send at most 8 KiB.
_MAX_LINE_CHARACTERS = 8192
# A count is divided by the rate, and has 64 bits.
_LEAST_RATE = 1e-6
_NS_PER_S = 1_000_000_000
# Sections that only DogStatsD has: tags, container, external data, time, cardinality.
_DOGSTATSD = ("#", "c:", "e:", "T", "card:")


class Measurement:
    """The values of one metric in one line; each stands for `weight` of its kind.

    A set has `members` instead of `values`. `relative` has True for each value that is the change
    of a gauge. `time_unix_ns` is 0 where the line has no time.
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


def parse_datagram(datagram: bytes) -> tuple[list[Measurement], list[str], int]:
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
            found.append(_parse_line(stripped))
        except ValueError:
            malformed.append(stripped)
    return found, malformed, others


def _parse_line(line: str) -> Measurement:
    """Raises ValueError."""
    head, *sections = line.split("|")
    name, colon, texts = head.partition(":")
    name = name.strip()
    if (
        not colon
        or not sections
        or not 0 < len(name) <= _MAX_NAME_CHARACTERS
        or len(line) > _MAX_LINE_CHARACTERS
    ):
        raise ValueError(line)
    code = sections[0].strip()
    if code not in _KINDS:
        raise ValueError(line)
    measurement = Measurement(name, _KINDS[code], _UNITS.get(code, ""))
    for section in sections[1:]:
        _parse_section(measurement, section)
    if measurement.kind == SET:
        # A line has one member, of any characters.
        measurement.members = [texts]
        return measurement
    for text in texts.split(":"):
        measurement.values.append(_parse_number(text))
    if measurement.kind == GAUGE:
        # In StatsD a sign makes a value a change. DogStatsD clients never write a plus sign, and
        # mean a number below zero by a minus sign.
        dogstatsd = any(section.startswith(_DOGSTATSD) for section in sections[1:])
        signs = ("+",) if dogstatsd else ("+", "-")
        measurement.relative = [text.strip().startswith(signs) for text in texts.split(":")]
    return measurement


def _parse_section(measurement: Measurement, section: str) -> None:
    """Parse one section; unknown ones are of later versions, or of no use. Raises ValueError."""
    if section.startswith("@"):
        rate = _parse_number(section[1:])
        if not _LEAST_RATE <= rate <= 1:
            raise ValueError(section)
        measurement.weight = 1 / rate
    elif section.startswith("#"):
        tags = [_parse_tag(tag) for tag in section[1:].split(",")]
        measurement.attributes = {name: value for name, value in tags if name}
    elif section.startswith("T") and section[1:12].isascii() and section[1:12].isdigit():
        measurement.time_unix_ns = int(section[1:12]) * _NS_PER_S


def _parse_number(text: str) -> float:
    value = float(text)
    # float() accepts "1_000" and "infinity", too.
    if not text.isascii() or "_" in text or not is_value(value):
        raise ValueError(text)
    return value


def _parse_tag(text: str) -> tuple[str, str]:
    """(name, value); "" for a tag without a value, as in the OpenTelemetry Collector."""
    name, _, value = text.partition(":")
    return name.strip(), value
