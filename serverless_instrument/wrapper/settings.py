"""Environment variables of the runtime side to `Settings`; pure.

Names and meanings: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
A value that cannot be used becomes one warning, which names it and the remedy, and the default.
"""

from __future__ import annotations

from serverless_instrument.wrapper.records.records import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from serverless_instrument.log_rules import LogRules

# A W3C parent beats an X-Ray one where both are there: AWS adds its header to every request.
_DEFAULT_PROPAGATORS = ("xray", "tracecontext", "baggage")
_PROPAGATORS = frozenset(("b3", "b3multi", "baggage", "tracecontext", "xray", "xray-lambda"))
STANDARD_SAMPLERS = frozenset(
    (
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    )
)
DEFAULT_SAMPLER = "parentbased_always_on"
# RFC 9110, RFC 5789 (PATCH) and the QUERY draft, as the HTTP conventions list them.
_KNOWN_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
# Those of log_rules.py, which is loaded where one is set.
_LOG_RULES = (
    "SERVERLESS_INSTRUMENT_LOGS",
    "SERVERLESS_INSTRUMENT_LOGS_LEVEL",
    "SERVERLESS_INSTRUMENT_LOGS_INCLUDE",
    "SERVERLESS_INSTRUMENT_LOGS_EXCLUDE",
    "SERVERLESS_INSTRUMENT_MASK",
)


class Settings:
    """What the runtime side was asked to do."""

    __slots__ = (
        "captured_payloads",
        "context_extractor",
        "dev_mode",
        "disabled",
        "exception_as_event",
        "exception_as_log",
        "ignore_xray_decision",
        "known_methods",
        "limits",
        "log_limits",
        "log_rules",
        "logs_exported",
        "mask",
        "metrics_exported",
        "needs_sdk",
        "payload_bytes",
        "payload_depth",
        "payload_keys",
        "propagators",
        "request_headers",
        "response_headers",
        "sampler",
        "sampler_ratio",
        "sanitized_headers",
        "traces_exported",
        "warnings",
    )

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.warnings: list[str] = []
        # Set where a sampler or propagator is named that only an installed package knows.
        self.needs_sdk = False
        self.disabled = self._boolean(environ, "OTEL_SDK_DISABLED")
        self.traces_exported = _get(environ, "OTEL_TRACES_EXPORTER").lower() != "none"
        self.metrics_exported = _get(environ, "OTEL_METRICS_EXPORTER").lower() != "none"
        self.known_methods = _known_methods(environ)
        captured = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
        self.request_headers = self._patterns(environ, captured + "SERVER_REQUEST")
        self.response_headers = self._patterns(environ, captured + "SERVER_RESPONSE")
        self.sanitized_headers = self._patterns(environ, captured + "SANITIZE_FIELDS")
        self.propagators = self._propagators(environ)
        self.ignore_xray_decision = not _exports_to_xray(environ, self.propagators)
        self.sampler, self.sampler_ratio = self._sampler(environ)
        self.limits = self._limits(environ)
        opt_in = _get(environ, "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN")
        signals = {part.strip() for part in opt_in.split(",")}
        self.exception_as_log = bool(signals & {"logs", "logs/dup"})
        self.exception_as_event = "logs" not in signals or "logs/dup" in signals
        self.dev_mode = self._boolean(environ, "SERVERLESS_INSTRUMENT_DEV_MODE")
        self.context_extractor = _get(environ, "SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR")
        self._payloads(environ)
        self.log_limits = self._log_limits(environ)
        # None where every line leaves as it is; `mask` hides what must not leave in a text.
        self.log_rules = self._log_rules(environ)
        rules = self.log_rules
        self.mask: Callable[[str], str] | None = rules.mask if rules and rules.masks else None
        self.logs_exported = (rules is None or rules.enabled) and (
            _get(environ, "OTEL_LOGS_EXPORTER").lower() != "none"
        )

    def _warn(self, name: str, value: str, remedy: str) -> None:
        self.warnings.append(f'{name}="{value}" {remedy}')

    def _boolean(self, environ: Mapping[str, str], name: str) -> bool:
        value = _get(environ, name)
        if value.lower() not in ("", "true", "false"):
            self._warn(name, value, 'is neither "true" nor "false"; using "false"')
        return value.lower() == "true"

    def _count(self, environ: Mapping[str, str], default: int | None, *names: str) -> int | None:
        """The first of `names` that holds a number from 0 up."""
        for name in names:
            value = _get(environ, name)
            if not value:
                continue
            if value.isascii() and value.isdigit() and len(value) < 16:
                return int(value)
            self._warn(name, value, "is not a whole number from 0 up; it is left out")
        return default

    def _payloads(self, environ: Mapping[str, str]) -> None:
        name = "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD"
        self.captured_payloads = "both" if self.dev_mode else "off"
        value = _get(environ, name).lower()
        if value in ("both", "off", "request", "response"):
            self.captured_payloads = value
        elif value:
            kept = self.captured_payloads
            self._warn(name, value, f'is none of request, response, both and off; using "{kept}"')
        self.payload_bytes = self._count(environ, 16384, name + "_BYTES")
        self.payload_depth = self._count(environ, 10, name + "_DEPTH")
        keys = _get(environ, name + "_REDACT").split(",")
        self.payload_keys = [key.strip() for key in keys if key.strip()]

    def _patterns(self, environ: Mapping[str, str], name: str) -> re.Pattern[str] | None:
        """One pattern for a list of header names, which may be regular expressions.

        As opentelemetry-python-contrib reads it: separated by commas, in any case.
        """
        value = _get(environ, name)
        if not value:
            return None
        import re  # the runtime client has loaded it already

        usable = []
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                re.compile(part)
                usable.append(f"(?:{part})")
            except (re.error, RecursionError, OverflowError):
                self._warn(name, part, "is not a header name or regular expression; it is left out")
        return re.compile("|".join(usable), re.IGNORECASE) if usable else None

    def _propagators(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        value = _get(environ, "OTEL_PROPAGATORS")
        if not value:
            return _DEFAULT_PROPAGATORS
        names = [name.strip().lower() for name in value.split(",") if name.strip()]
        if "none" in names:
            return ()
        # What only a package knows needs the SDK's way of loading it.
        self.needs_sdk = self.needs_sdk or not _PROPAGATORS.issuperset(names)
        return tuple(dict.fromkeys(names))

    def _sampler(self, environ: Mapping[str, str]) -> tuple[str, float]:
        given = _get(environ, "OTEL_TRACES_SAMPLER")
        name = given.lower() or DEFAULT_SAMPLER
        if name not in STANDARD_SAMPLERS:
            self.needs_sdk = True
            return given, 1.0
        value = _get(environ, "OTEL_TRACES_SAMPLER_ARG")
        if not value or not name.endswith("traceidratio"):
            return name, 1.0
        try:
            ratio = float(value)
        except ValueError:
            ratio = -1.0
        if 0.0 <= ratio <= 1.0:
            return name, ratio
        self._warn("OTEL_TRACES_SAMPLER_ARG", value, "is not a number from 0 to 1; using 1")
        return name, 1.0

    def _limits(self, environ: Mapping[str, str]) -> Limits:
        count = self._count
        general_count = count(environ, 128, "OTEL_ATTRIBUTE_COUNT_LIMIT")
        return Limits(
            count(environ, general_count, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
            count(
                environ,
                None,
                "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            ),
            count(environ, 128, "OTEL_SPAN_EVENT_COUNT_LIMIT"),
            count(environ, 128, "OTEL_SPAN_LINK_COUNT_LIMIT"),
            count(environ, general_count, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
            count(environ, general_count, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
        )

    def _log_limits(self, environ: Mapping[str, str]) -> Limits:
        # The general limits are said by `_limits` if they cannot be used.
        said = len(self.warnings)
        general_count = self._count(environ, 128, "OTEL_ATTRIBUTE_COUNT_LIMIT")
        general_length = self._count(environ, None, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
        del self.warnings[said:]
        return Limits(
            self._count(environ, general_count, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT"),
            self._count(environ, general_length, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
        )

    def _log_rules(self, environ: Mapping[str, str]) -> LogRules | None:
        if not any(environ.get(name) for name in _LOG_RULES):
            return None
        from serverless_instrument.log_rules import LogRules

        rules = LogRules(environ)
        self.warnings += rules.warnings
        return rules


def _get(environ: Mapping[str, str], name: str) -> str:
    # An empty value is an unset one, by the specification.
    return environ.get(name, "").strip()


def _known_methods(environ: Mapping[str, str]) -> frozenset[str]:
    value = _get(environ, "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS")
    if not value:
        return _KNOWN_METHODS
    return frozenset(name.strip() for name in value.split(",") if name.strip())


def _exports_to_xray(environ: Mapping[str, str], propagators: tuple[str, ...]) -> bool:
    """Whether X-Ray is the chosen destination, so that its sampling decision is the user's."""
    endpoint = _get(environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or _get(
        environ, "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    return "xray-lambda" in propagators or "://xray." in endpoint
