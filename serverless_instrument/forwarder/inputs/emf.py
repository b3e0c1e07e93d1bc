"""Lines of CloudWatch's embedded metric format to measurements; pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.

The format knows no kinds of metrics: to CloudWatch each is a distribution of values, of which it
tells sum, count, minimum, maximum, average and percentiles. So each becomes a histogram, ``Count``
included: no other kind keeps all of these (of a queue's length the sum says nothing, of orders the
maximum does not), and the sum of a histogram is the counter's value. A metric's namespace is the
instrumentation scope's name, its dimensions are attributes, and each set of dimensions is a point
of its own, as in CloudWatch. Units are translated as CloudWatch's metric streams translate them:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-metric-streams-formats-opentelemetry-translation-100.html.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.json_text import loads
from serverless_instrument.forwarder.metrics.distribution import MOST_TIMES, is_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Pairs = list[tuple[float, int]]

# The specification's.
_MOST_METRICS, _MOST_VALUES, _MOST_DIMENSIONS = 100, 100, 30
_LONGEST_NAMESPACE, _LONGEST_NAME, _LONGEST_DIMENSION = 256, 1024, 1024
# A megabyte of empty dimension sets, or of directives, is no line of anybody's.
_MOST_SETS, _MOST_DIRECTIVES, _MOST_MEASUREMENTS = 100, 100, 10_000
# What CloudWatch takes: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
_OLDEST_NS, _LATEST_NS = 14 * 86_400 * 10**9, 2 * 3_600 * 10**9
_NS_PER_MS = 1_000_000

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
_LONGEST_UNIT = 63


class _MalformedError(Exception):
    """One part of a line is not what the specification says."""


class Measurement:
    """Values of one metric in one set of dimensions: (value, how often).

    `total`, `least` and `most` are what the line says of all values itself, None where it does not.
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

    def of(self, attributes: dict[str, str]) -> Measurement:
        """The same values under other dimensions."""
        other = Measurement(self.namespace, self.name, self.unit, self.time_unix_ns)
        other.attributes, other.pairs = attributes, self.pairs
        other.total, other.least, other.most = self.total, self.least, self.most
        return other


def parse(text: str, time_unix_ns: int) -> tuple[list[Measurement], list[str]]:
    """(measurements, what is wrong with parts that are left out) of a line of output.

    Both are empty for JSON without an ``_aws`` object at its top.

    Args:
        text: a line that contains ``"_aws"``.
        time_unix_ns: when it was written; used where its own time is missing or such as CloudWatch
            refuses, two weeks old or two hours ahead.
    """
    try:
        root = loads(text)
    except ValueError:
        root = None
    if not isinstance(root, dict):
        return [], [f"the line is no JSON object: {text[:100]}"]
    if "_aws" not in root:
        return [], []
    found: list[Measurement] = []
    defects: list[str] = []
    try:
        directives, written_unix_ns = _metadata(root["_aws"], time_unix_ns)
    except _MalformedError as error:
        return [], [str(error)]
    for directive in directives:
        try:
            _directive(directive, root, written_unix_ns, found, defects)
        except _MalformedError as error:
            defects.append(str(error))
    return found, defects


def _metadata(metadata: object, time_unix_ns: int) -> tuple[list[object], int]:
    if not isinstance(metadata, dict):
        raise _MalformedError("_aws is no object")
    directives = metadata.get("CloudWatchMetrics")
    if not isinstance(directives, list) or len(directives) > _MOST_DIRECTIVES:
        raise _MalformedError(f"CloudWatchMetrics is no list of at most {_MOST_DIRECTIVES}")
    written_ms = metadata.get("Timestamp")
    if written_ms is None:
        return directives, time_unix_ns
    if not is_value(written_ms):
        raise _MalformedError("Timestamp is no number of milliseconds")
    written_ns = int(written_ms) * _NS_PER_MS
    usable = -_LATEST_NS <= time_unix_ns - written_ns <= _OLDEST_NS
    return directives, written_ns if usable else time_unix_ns


def _directive(
    directive: object,
    root: dict[str, Any],
    time_unix_ns: int,
    found: list[Measurement],
    defects: list[str],
) -> None:
    if not isinstance(directive, dict):
        raise _MalformedError("a metric directive is no object")
    namespace = _text(directive.get("Namespace"), "Namespace", _LONGEST_NAMESPACE)
    definitions = directive.get("Metrics")
    if not isinstance(definitions, list):
        raise _MalformedError("Metrics is no list")
    sets = _dimension_sets(directive.get("Dimensions"), root, defects)
    if len(definitions) > _MOST_METRICS:
        excess = len(definitions) - _MOST_METRICS
        defects += [f"more than {_MOST_METRICS} metrics in a directive"] * excess
    seen = set()
    for definition in definitions[:_MOST_METRICS]:
        try:
            measurement = _metric(definition, namespace, root, time_unix_ns)
        except _MalformedError as error:
            defects.append(str(error))
            continue
        # Defined twice, it was measured once.
        if len(found) + len(sets) > _MOST_MEASUREMENTS:
            raise _MalformedError(f"more than {_MOST_MEASUREMENTS} values in a line")
        if measurement.name not in seen:
            seen.add(measurement.name)
            found += [measurement.of(attributes) for attributes in sets]


def _dimension_sets(
    dimensions: object, root: dict[str, Any], defects: list[str]
) -> list[dict[str, str]]:
    """Attributes of each different set; one without any where the line names no sets."""
    if dimensions is None:
        return [{}]
    if not isinstance(dimensions, list) or len(dimensions) > _MOST_SETS:
        raise _MalformedError(f"Dimensions is no list of at most {_MOST_SETS} lists")
    sets: list[dict[str, str]] = []
    for names in dimensions:
        try:
            attributes = _dimensions(names, root)
        except _MalformedError as error:
            defects.append(str(error))
            continue
        if attributes not in sets:
            sets.append(attributes)
    return sets if dimensions else [{}]


def _dimensions(names: object, root: dict[str, Any]) -> dict[str, str]:
    if not isinstance(names, list) or len(names) > _MOST_DIMENSIONS:
        raise _MalformedError(f"a dimension set is no list of at most {_MOST_DIMENSIONS} names")
    attributes = {}
    for name in names:
        key = _text(name, "a dimension's name", _LONGEST_DIMENSION)
        value = root.get(name)
        if not isinstance(value, str) or len(value) > _LONGEST_DIMENSION:
            raise _MalformedError(f"the dimension {key[:100]!r} has no text for its value")
        attributes[key] = _encodable(value)
    return attributes


def _metric(
    definition: object, namespace: str, root: dict[str, Any], time_unix_ns: int
) -> Measurement:
    if not isinstance(definition, dict):
        raise _MalformedError("a metric definition is no object")
    name = _text(definition.get("Name"), "a metric's Name", _LONGEST_NAME)
    unit = definition.get("Unit", "None")
    if not isinstance(unit, str) or len(unit) > _LONGEST_UNIT:
        raise _MalformedError(f"the Unit of {name[:100]!r} is no text")
    measurement = Measurement(namespace, name, ucum(_encodable(unit)), time_unix_ns)
    value = root.get(definition["Name"])
    if isinstance(value, dict):
        _statistics(measurement, value)
    else:
        measurement.pairs = _pairs(value if isinstance(value, list) else [value], None, name)
    return measurement


def _statistics(measurement: Measurement, value: dict[str, Any]) -> None:
    """Values with counts, statistics of them, or both, as CloudWatch's agents write them."""
    name, given = measurement.name, {}
    for key in ("Sum", "Min", "Max", "Count"):
        if value.get(key) is not None:
            if not is_value(value[key]):
                raise _MalformedError(f"the {key} of {name[:100]!r} is no finite number")
            given[key] = value[key]
    if isinstance(value.get("Values"), list):
        measurement.pairs = _pairs(value["Values"], value.get("Counts"), name)
    elif len(given) == 4 and 1 <= given["Count"] <= MOST_TIMES:
        # Where the values lie is not said: near their mean.
        times = round(given["Count"])
        measurement.pairs = [(given["Sum"] / times, times)]
    else:
        raise _MalformedError(f"{name[:100]!r} has neither Values nor Sum, Min, Max and Count")
    measurement.total = given.get("Sum")
    measurement.least, measurement.most = given.get("Min"), given.get("Max")


def _pairs(values: list[object], counts: object, name: str) -> Pairs:
    if counts is None:
        counts = [1] * len(values)
    if not 0 < len(values) <= _MOST_VALUES or not all(map(is_value, values)):
        raise _MalformedError(
            f"the value of {name[:100]!r} is no finite number, nor 1 to {_MOST_VALUES} of them"
        )
    fits = isinstance(counts, list) and len(counts) == len(values)
    if not fits or not all(is_value(count) and 0 <= count <= MOST_TIMES for count in counts):  # type: ignore[attr-defined] # a list by now
        raise _MalformedError(f"the Counts of {name[:100]!r} do not fit its Values")
    pairs = [
        (value, round(count))
        for value, count in zip(values, counts, strict=True)  # type: ignore[call-overload] # as above
        if round(count)
    ]
    if not pairs:
        raise _MalformedError(f"the Counts of {name[:100]!r} are all 0")
    return pairs


def ucum(unit: str) -> str:
    """The code of a CloudWatch unit; what is none goes as it is."""
    amount, slash, time = unit.partition("/")
    if slash:
        return f"{_UNITS.get(amount, amount)}/{_UNITS.get(time, time)}"
    return _UNITS.get(unit, unit)


def _text(value: object, what: str, longest: int) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest:
        raise _MalformedError(f"{what} is no text of 1 to {longest} characters")
    return _encodable(value)


def _encodable(text: str) -> str:
    """`text` with "?" for halves of surrogate pairs, which JSON may escape."""
    return text.encode("utf-8", "replace").decode()
