"""Values of one metric in a line of CloudWatch's embedded metric format. Pure.

The format has no kinds of metrics: to CloudWatch each is a distribution of values, of which it
shows sum, count, minimum, maximum, average and percentiles. So each becomes a histogram, ``Count``
included: no other kind keeps all of these (of a queue's length the sum says nothing, of orders the
maximum does not), and the sum of a histogram is the counter's value. Units are translated as
CloudWatch's metric streams translate them:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-metric-streams-formats-opentelemetry-translation-100.html.
"""

from __future__ import annotations

from serverless_instrument.forwarder.metrics.distribution import MOST_TIMES, is_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Pairs = list[tuple[float, int]]

# Limits of the specification, but for the unit's.
_MAX_VALUES, _MAX_NAME_CHARACTERS, _MAX_UNIT_CHARACTERS = 100, 1024, 63

_UNITS = {
    "Seconds": "s",
    "Microseconds": "us",
    "Milliseconds": "ms",
    "Bytes": "By",
    "Kilobytes": "kBy",
    "Megabytes": "MBy",
    "Gigabytes": "GBy",
    "Terabytes": "TBy",
    "Bits": "bit",
    "Kilobits": "kbit",
    "Megabits": "Mbit",
    "Gigabits": "Gbit",
    "Terabits": "Tbit",
    "Percent": "%",
    # Lower case as in OpenTelemetry's own conventions.
    "Count": "{count}",
    "None": "1",
    "Second": "s",
}


class MalformedError(Exception):
    """One part of a line violates the specification."""


class Measurement:
    """Values of one metric in one set of dimensions, as pairs of (value, how often).

    `total`, `least` and `most` are given by the line itself, None where it does not.
    """

    __slots__ = (
        "attributes",
        "least",
        "most",
        "name",
        "namespace",
        "pairs",
        "time_unix_ns",
        "total",
        "unit",
    )

    def __init__(self, namespace: str, name: str, unit: str, time_unix_ns: int) -> None:
        self.namespace = namespace
        self.name = name
        self.unit = unit
        self.time_unix_ns = time_unix_ns
        self.attributes: dict[str, str] = {}
        self.pairs: Pairs = []
        self.total: float | None = None
        self.least: float | None = None
        self.most: float | None = None

    def with_attributes(self, attributes: dict[str, str]) -> Measurement:
        """The same values in another set of dimensions."""
        other = Measurement(self.namespace, self.name, self.unit, self.time_unix_ns)
        other.attributes, other.pairs = attributes, self.pairs
        other.total, other.least, other.most = self.total, self.least, self.most
        return other


def read_measurement(
    definition: object, namespace: str, root: dict[str, Any], time_unix_ns: int
) -> Measurement:
    """The measurement of one metric definition. Raises `MalformedError`.

    Args:
        definition: an element of a directive's ``Metrics``.
        namespace: the directive's.
        root: the line, where the values are.
        time_unix_ns: when they were measured.
    """
    if not isinstance(definition, dict):
        raise MalformedError("a metric definition is no object")
    name = read_text(definition.get("Name"), "a metric's Name", _MAX_NAME_CHARACTERS)
    unit = definition.get("Unit", "None")
    if not isinstance(unit, str) or len(unit) > _MAX_UNIT_CHARACTERS:
        raise MalformedError(f"the Unit of {name[:100]!r} is no text")
    measurement = Measurement(namespace, name, ucum(encodable(unit)), time_unix_ns)
    value = root.get(definition["Name"])
    if isinstance(value, dict):
        _read_statistics(measurement, value)
    else:
        measurement.pairs = _read_pairs(value if isinstance(value, list) else [value], None, name)
    return measurement


def _read_statistics(measurement: Measurement, value: dict[str, Any]) -> None:
    """Read values with counts, statistics, or both, as CloudWatch's agents write them."""
    name, given = measurement.name, {}
    for key in ("Sum", "Min", "Max", "Count"):
        if value.get(key) is not None:
            if not is_value(value[key]):
                raise MalformedError(f"the {key} of {name[:100]!r} is no finite number")
            given[key] = value[key]
    if isinstance(value.get("Values"), list):
        measurement.pairs = _read_pairs(value["Values"], value.get("Counts"), name)
    elif len(given) == 4 and 1 <= given["Count"] <= MOST_TIMES:
        # The single values are unknown; their mean stands for each.
        times = round(given["Count"])
        measurement.pairs = [(given["Sum"] / times, times)]
    else:
        raise MalformedError(f"{name[:100]!r} has neither Values nor Sum, Min, Max and Count")
    measurement.total = given.get("Sum")
    measurement.least, measurement.most = given.get("Min"), given.get("Max")


def _read_pairs(values: list[object], counts: object, name: str) -> Pairs:
    if counts is None:
        counts = [1] * len(values)
    if not 0 < len(values) <= _MAX_VALUES or not all(map(is_value, values)):
        raise MalformedError(
            f"the value of {name[:100]!r} is no finite number, nor 1 to {_MAX_VALUES} of them"
        )
    fits = isinstance(counts, list) and len(counts) == len(values)
    if not fits or not all(is_value(count) and 0 <= count <= MOST_TIMES for count in counts):  # type: ignore[attr-defined] # a list by now
        raise MalformedError(f"the Counts of {name[:100]!r} do not fit its Values")
    pairs = [
        (value, round(count))
        for value, count in zip(values, counts, strict=True)  # type: ignore[call-overload] # as above
        if round(count)
    ]
    if not pairs:
        raise MalformedError(f"the Counts of {name[:100]!r} are all 0")
    return pairs


def ucum(unit: str) -> str:
    """The UCUM code of a CloudWatch unit; any other text as it is."""
    amount, slash, time = unit.partition("/")
    if slash:
        return f"{_UNITS.get(amount, amount)}/{_UNITS.get(time, time)}"
    return _UNITS.get(unit, unit)


def read_text(value: object, what: str, longest: int) -> str:
    """`value` as a text of 1 to `longest` characters. Raises `MalformedError`."""
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest:
        raise MalformedError(f"{what} is no text of 1 to {longest} characters")
    return encodable(value)


def encodable(text: str) -> str:
    """`text` with "?" for lone surrogates, which JSON may escape and UTF-8 lacks."""
    return text.encode("utf-8", "replace").decode()
