"""Parser of lines in CloudWatch's embedded metric format. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.

The namespace of a metric becomes the name of the instrumentation scope, its dimensions become
attributes, and each set of dimensions is a point of its own, as in CloudWatch. See emf_values.py
for the values.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.json_text import loads
from serverless_instrument.forwarder.inputs.emf_values import (
    MalformedError,
    Measurement,
    encodable,
    read_measurement,
    read_text,
)
from serverless_instrument.forwarder.metrics.distribution import is_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Limits of the specification.
_MAX_METRICS, _MAX_DIMENSIONS = 100, 30
_MAX_NAMESPACE_CHARACTERS, _MAX_DIMENSION_CHARACTERS = 256, 1024
# The specification does not limit these; a line of a megabyte may have very many.
_MAX_SETS, _MAX_DIRECTIVES, _MAX_MEASUREMENTS = 100, 100, 10_000
# Times that CloudWatch accepts: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
_OLDEST_NS, _LATEST_NS = 14 * 86_400 * 10**9, 2 * 3_600 * 10**9
_NS_PER_MS = 1_000_000


def parse_line(text: str, time_unix_ns: int) -> tuple[list[Measurement], list[str]]:
    """(measurements, defects of parts that are left out) of a line of output.

    Both are empty for JSON without ``_aws`` at its top.

    Args:
        text: a line that contains ``"_aws"``.
        time_unix_ns: when it was written; used where its own time is missing, or refused by
            CloudWatch because it is more than two weeks old or two hours ahead.
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
        directives, written_unix_ns = _read_metadata(root["_aws"], time_unix_ns)
    except MalformedError as error:
        return [], [str(error)]
    for directive in directives:
        try:
            _read_directive(directive, root, written_unix_ns, found, defects)
        except MalformedError as error:
            defects.append(str(error))
    return found, defects


def _read_metadata(metadata: object, time_unix_ns: int) -> tuple[list[object], int]:
    if not isinstance(metadata, dict):
        raise MalformedError("_aws is no object")
    directives = metadata.get("CloudWatchMetrics")
    if not isinstance(directives, list) or len(directives) > _MAX_DIRECTIVES:
        raise MalformedError(f"CloudWatchMetrics is no list of at most {_MAX_DIRECTIVES}")
    written_ms = metadata.get("Timestamp")
    if written_ms is None:
        return directives, time_unix_ns
    if not is_value(written_ms):
        raise MalformedError("Timestamp is no number of milliseconds")
    written_ns = int(written_ms) * _NS_PER_MS
    usable = -_LATEST_NS <= time_unix_ns - written_ns <= _OLDEST_NS
    return directives, written_ns if usable else time_unix_ns


def _read_directive(
    directive: object,
    root: dict[str, Any],
    time_unix_ns: int,
    found: list[Measurement],
    defects: list[str],
) -> None:
    if not isinstance(directive, dict):
        raise MalformedError("a metric directive is no object")
    namespace = read_text(directive.get("Namespace"), "Namespace", _MAX_NAMESPACE_CHARACTERS)
    definitions = directive.get("Metrics")
    if not isinstance(definitions, list):
        raise MalformedError("Metrics is no list")
    sets = _read_dimension_sets(directive.get("Dimensions"), root, defects)
    if len(definitions) > _MAX_METRICS:
        excess = len(definitions) - _MAX_METRICS
        defects += [f"more than {_MAX_METRICS} metrics in a directive"] * excess
    seen = set()
    for definition in definitions[:_MAX_METRICS]:
        try:
            measurement = read_measurement(definition, namespace, root, time_unix_ns)
        except MalformedError as error:
            defects.append(str(error))
            continue
        if len(found) + len(sets) > _MAX_MEASUREMENTS:
            raise MalformedError(f"more than {_MAX_MEASUREMENTS} values in a line")
        # A metric that is defined twice was measured once.
        if measurement.name not in seen:
            seen.add(measurement.name)
            found += [measurement.with_attributes(attributes) for attributes in sets]


def _read_dimension_sets(
    dimensions: object, root: dict[str, Any], defects: list[str]
) -> list[dict[str, str]]:
    """The attributes of each different set; one empty set where the line names none."""
    if dimensions is None:
        return [{}]
    if not isinstance(dimensions, list) or len(dimensions) > _MAX_SETS:
        raise MalformedError(f"Dimensions is no list of at most {_MAX_SETS} lists")
    sets: list[dict[str, str]] = []
    for names in dimensions:
        try:
            attributes = _read_dimensions(names, root)
        except MalformedError as error:
            defects.append(str(error))
            continue
        if attributes not in sets:
            sets.append(attributes)
    return sets if dimensions else [{}]


def _read_dimensions(names: object, root: dict[str, Any]) -> dict[str, str]:
    if not isinstance(names, list) or len(names) > _MAX_DIMENSIONS:
        raise MalformedError(f"a dimension set is no list of at most {_MAX_DIMENSIONS} names")
    attributes = {}
    for name in names:
        key = read_text(name, "a dimension's name", _MAX_DIMENSION_CHARACTERS)
        value = root.get(name)
        if not isinstance(value, str) or len(value) > _MAX_DIMENSION_CHARACTERS:
            raise MalformedError(f"the dimension {key[:100]!r} has no text for its value")
        attributes[key] = encodable(value)
    return attributes
