"""Environment variables: how each kind of value is read, and what both processes read. Pure.

Which process warns: a bad value gives one warning in an execution environment. The forwarder says
what is wrong with the variables that it reads. The runtime says it only of those that the forwarder
does not read: it reads the shared ones, which stand at the end of this file, with a list of
warnings that it throws away, but for limits, of which the forwarder is the one to throw them away.
There is always a forwarder to say it: without the layer's, the runtime starts one.

Every reader takes the environment, the variable's name, the default, and the list that a warning
is added to, unless it is there already. A blank value is an unset one
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping
    from typing import TypeVar

    Default = TypeVar("Default")

# Of our own variables. Those of OpenTelemetry begin with "OTEL_".
PREFIX = "SERVERLESS_INSTRUMENT_"
TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")
# Those of the forwarder's `patterns`; of the last the runtime reads only whether it is set.
LOG_RULES = (
    "SERVERLESS_INSTRUMENT_LOGS",
    "SERVERLESS_INSTRUMENT_LOGS_LEVEL",
    "SERVERLESS_INSTRUMENT_LOGS_INCLUDE",
    "SERVERLESS_INSTRUMENT_LOGS_EXCLUDE",
    "SERVERLESS_INSTRUMENT_MASK",
)
EXPLICIT_HISTOGRAM = "explicit_bucket_histogram"
EXPONENTIAL_HISTOGRAM = "base2_exponential_bucket_histogram"

_EXPORTERS = {
    "traces": "OTEL_TRACES_EXPORTER",
    "logs": "OTEL_LOGS_EXPORTER",
    "metrics": "OTEL_METRICS_EXPORTER",
}
_SHOWN_CHARACTERS = 100
_MOST_DIGITS = 15


def value_of(environ: Mapping[str, str], name: str) -> str:
    """The value without blanks around it, "" where there is none."""
    return environ.get(name, "").strip()


def shown(value: str) -> str:
    """`value` for a message: one line of at most 100 characters. A secret has no place in any."""
    text = "".join([c if c.isprintable() else "?" for c in value[:_SHOWN_CHARACTERS]])
    return text + ("..." if len(value) > _SHOWN_CHARACTERS else "")


def warn(warnings: list[str], name: str, value: str, text: str) -> None:
    """Add ``NAME="value" text``, once; `text` says what is wrong, what is used, and the remedy."""
    warning = f'{name}="{shown(value)}" {text}'
    if warning not in warnings:
        warnings.append(warning)


def boolean(
    environ: Mapping[str, str], name: str, default: Default, warnings: list[str]
) -> bool | Default:
    """A switch of our own: true, 1, yes, on, or false, 0, no, off, in any case."""
    value = value_of(environ, name).lower()
    if not value:
        return default
    if value in TRUE or value in FALSE:
        return value in TRUE
    used = "the default" if default is None else str(default).lower()
    warn(warnings, name, value, f"is neither true nor false, using {used}: set it to one of them")
    return default


def otel_boolean(environ: Mapping[str, str], name: str, warnings: list[str]) -> bool:
    """A switch of OpenTelemetry's, where only "true" in any case is true.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#boolean
    """
    value = value_of(environ, name)
    if value.lower() not in ("", "true", "false"):
        warn(warnings, name, value, "is neither true nor false, using false: set it to one of them")
    return value.lower() == "true"


def whole(text: str) -> int:
    """The number from 0 up that `text` is; -1 for anything else.

    More than 15 digits are 10 ** 15: Python refuses to convert thousands of them.
    """
    if not (text.isascii() and text.isdigit()):
        return -1
    return int(text) if len(text) <= _MOST_DIGITS else 10**_MOST_DIGITS


def count(
    environ: Mapping[str, str],
    name: str,
    default: Default,
    warnings: list[str],
    least: int = 0,
    most: int = 10**_MOST_DIGITS - 1,
    unit: str = "",
) -> int | Default:
    """A whole number from `least` to `most`; `unit` is of the message, such as " of bytes"."""
    value = value_of(environ, name)
    if not value:
        return default
    number = whole(value)
    if least <= number <= most:
        return number
    used = "no limit" if default is None else default
    warn(warnings, name, value, f"is not a whole number{unit} from {least} up, using {used}")
    return default


def duration_ms(
    environ: Mapping[str, str], name: str, default_ms: int, longest_ms: int, warnings: list[str]
) -> int:
    """Milliseconds; 0 is no limit, which is `longest_ms` here, as is anything longer."""
    value = value_of(environ, name)
    number = whole(value) if value else default_ms
    if number < 0:
        text = f"is not a whole number of milliseconds, using {default_ms}"
        warn(warnings, name, value, f"{text}: set it to one, or to 0 for no limit")
        number = default_ms
    return min(number or longest_ms, longest_ms)


def choice(
    environ: Mapping[str, str],
    name: str,
    choices: Iterable[str],
    default: str,
    warnings: list[str],
) -> str:
    """One of `choices`, lower-case; they may be written in any case."""
    value = value_of(environ, name).lower()
    if not value or value in choices:
        return value or default
    *others, last = choices
    remedy = f"set it to {', '.join(others)} or {last}"
    warn(warnings, name, value, f"is not known, using {default}: {remedy}")
    return default


def comma_list(environ: Mapping[str, str], name: str) -> list[str]:
    """The members of a list with commas, without blanks around them and without empty ones."""
    return [part.strip() for part in environ.get(name, "").split(",") if part.strip()]


def pattern(
    name: str, text: str, warnings: list[str], replacement: str = "", flags: int = 0
) -> re.Pattern[str] | None:
    """A member of a list of regular expressions; None, with a warning, where it is none.

    `replacement` is tried, too: it may name a group that the expression lacks.
    """
    import re  # 2 ms, for those who have patterns

    try:
        if replacement:
            # With an empty alternative there is a match to try it on.
            re.compile(f"{text}\n|").sub(replacement, "")
        return re.compile(text, flags)
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        warning = f'{name}: pattern "{shown(text)}" is skipped: {shown(str(error))}'
        if warning not in warnings:
            warnings.append(warning)
        return None


# What both processes read.


def sdk_disabled(environ: Mapping[str, str], warnings: list[str]) -> bool:
    """Whether the function runs as without us, and nothing is sent."""
    return otel_boolean(environ, "OTEL_SDK_DISABLED", warnings)


def dev_mode(environ: Mapping[str, str], warnings: list[str]) -> bool:
    """Whether telemetry is sent while the invocation runs."""
    return boolean(environ, "SERVERLESS_INSTRUMENT_DEV_MODE", False, warnings)


def exported(environ: Mapping[str, str], signal: str, warnings: list[str]) -> bool:
    """Whether `signal` ("traces", "logs", "metrics") is sent: "none" alone switches it off."""
    name = _EXPORTERS[signal]
    exporters = {part.lower() for part in comma_list(environ, name)}
    if exporters and "otlp" not in exporters and exporters != {"none"}:
        text = "is not available, using otlp: set it to otlp or none"
        warn(warnings, name, value_of(environ, name), text)
    return exporters != {"none"}


def sampler(environ: Mapping[str, str]) -> str:
    """The sampler's name as it is written, "" for the default."""
    return value_of(environ, "OTEL_TRACES_SAMPLER")


def exponential_histograms(environ: Mapping[str, str], warnings: list[str]) -> bool:
    """Whether histograms without buckets of their own are exponential.

    https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/
    """
    name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    choices = EXPLICIT_HISTOGRAM, EXPONENTIAL_HISTOGRAM
    return choice(environ, name, choices, EXPLICIT_HISTOGRAM, warnings) == EXPONENTIAL_HISTOGRAM


def signal_variable(environ: Mapping[str, str], prefix: str, signal: str, name: str) -> str:
    """``<prefix>_<SIGNAL>_<name>`` where that is set, else ``<prefix>_<name>``.

    https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """
    own = f"{prefix}_{signal.upper()}_{name}"
    return own if value_of(environ, own) else f"{prefix}_{name}"


def has_masks(environ: Mapping[str, str]) -> bool:
    """Whether the forwarder masks what leaves, so that the runtime must not cut it before."""
    return bool(value_of(environ, LOG_RULES[-1]))


def payload_bytes(environ: Mapping[str, str], warnings: list[str]) -> int:
    """The size of a captured payload; beyond it stands "..."."""
    return count(environ, "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_BYTES", 16384, warnings)


def value_length_limits(
    environ: Mapping[str, str], warnings: list[str]
) -> tuple[int | None, int | None]:
    """Limits for attribute values of (spans, log records), in characters; None is unlimited."""
    general = count(environ, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", None, warnings)
    span = count(environ, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", general, warnings)
    log = count(environ, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", general, warnings)
    return span, log
