"""Environment variables of the runtime side to `Settings`. Pure.

Names and meanings: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
A value that cannot be used becomes one warning, which names it and the remedy, and the default; of
what the forwarder reads as well, the forwarder says it (see `environment`).
"""

from __future__ import annotations

from serverless_instrument import environment
from serverless_instrument.environment import LOG_RULES, comma_list, count, value_of
from serverless_instrument.wrapper.records.records import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

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
# Of the names that mean anything here, most are unset in most functions.
_PREFIXES = ("OTEL_", environment.PREFIX)
PROPAGATORS = "OTEL_PROPAGATORS"
# Of a payload that the forwarder masks, and then cuts.
_MASKED_PAYLOAD_BYTES = 256 * 1024
CONTEXT_EXTRACTOR = "SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR"


class Settings:
    """What the runtime side was asked to do."""

    __slots__ = (
        "captured_payloads",
        "context_extractor",
        "dev_mode",
        "disabled",
        "disabled_instrumentations",
        "exception_as_event",
        "exception_as_log",
        "ignore_xray_decision",
        "known_methods",
        "limits",
        "log_limits",
        "logs_exported",
        "masked",
        "metrics_exported",
        "needs_sdk",
        "payload_bytes",
        "payload_depth",
        "payload_keys",
        "propagators",
        "propagators_given",
        "request_headers",
        "response_headers",
        "sampler",
        "sampler_argument",
        "sampler_ratio",
        "sanitized_headers",
        "traces_exported",
        "warnings",
    )

    def __init__(self, variables: Mapping[str, str]) -> None:
        # os.environ encodes a name and decodes a value at each look-up.
        environ = {name: variables[name] for name in variables if name.startswith(_PREFIXES)}
        self.warnings: list[str] = []
        said_by_forwarder: list[str] = []
        # Set where a sampler or propagator is named that only an installed package knows.
        self.needs_sdk = False
        self.disabled = environment.sdk_disabled(environ, said_by_forwarder)
        self.traces_exported = environment.exported(environ, "traces", said_by_forwarder)
        self.metrics_exported = environment.exported(environ, "metrics", said_by_forwarder)
        self.dev_mode = environment.dev_mode(environ, said_by_forwarder)
        # Whether the forwarder masks what leaves: it cuts as well, once it has masked.
        self.masked = environment.has_masks(environ)
        self.logs_exported = environment.boolean(
            environ, LOG_RULES[0], True, said_by_forwarder
        ) and environment.exported(environ, "logs", said_by_forwarder)
        methods = comma_list(environ, "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS")
        self.known_methods = frozenset(methods) if methods else _KNOWN_METHODS
        self.request_headers = self._headers(
            environ, "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
        )
        self.response_headers = self._headers(
            environ, "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE"
        )
        self.sanitized_headers = self._headers(
            environ, "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"
        )
        self._propagation(environ)
        self._sampling(environ)
        self._span_and_log_limits(environ)
        signals = comma_list(environ, "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN")
        self.exception_as_log = "logs" in signals or "logs/dup" in signals
        self.exception_as_event = "logs" not in signals or "logs/dup" in signals
        disabled = comma_list(environ, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
        self.disabled_instrumentations = {name.replace("-", "_") for name in disabled}
        self.context_extractor = value_of(environ, CONTEXT_EXTRACTOR)
        self._payloads(environ)

    def _payloads(self, environ: Mapping[str, str]) -> None:
        self.captured_payloads = environment.choice(
            environ,
            "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD",
            ("request", "response", "both", "off"),
            "both" if self.dev_mode else "off",
            self.warnings,
        )
        self.payload_bytes = environment.payload_bytes(environ, self.warnings)
        if self.masked:
            self.payload_bytes = max(self.payload_bytes, _MASKED_PAYLOAD_BYTES)
        self.payload_depth = count(
            environ, "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_DEPTH", 10, self.warnings
        )
        self.payload_keys = comma_list(environ, "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_REDACT")

    def _headers(self, environ: Mapping[str, str], name: str) -> re.Pattern[str] | None:
        """One pattern for a list of header names, which may be regular expressions.

        As opentelemetry-python-contrib reads it: separated by commas, in any case.
        """
        parts = comma_list(environ, name)
        usable = [f"(?:{p})" for p in parts if environment.pattern(name, p, self.warnings)]
        if not usable:
            return None
        import re  # the runtime client has loaded it already

        return re.compile("|".join(usable), re.IGNORECASE)

    def _propagation(self, environ: Mapping[str, str]) -> None:
        names = [name.lower() for name in comma_list(environ, PROPAGATORS)]
        # OpenTelemetry's API takes an empty name for a propagator's, which it cannot load.
        self.propagators_given = bool(environ.get(PROPAGATORS))
        self.propagators = tuple(dict.fromkeys(names)) or _DEFAULT_PROPAGATORS
        if "none" in names:
            self.propagators = ()
        # What only a package knows needs the SDK's way of loading it.
        self.needs_sdk = not _PROPAGATORS.issuperset(self.propagators)
        self.ignore_xray_decision = not (
            "xray-lambda" in self.propagators or _exports_to_xray(environ)
        )

    def _sampling(self, environ: Mapping[str, str]) -> None:
        name, argument = environment.sampler(environ), "OTEL_TRACES_SAMPLER_ARG"
        self.sampler = name.lower() or DEFAULT_SAMPLER
        self.sampler_argument = value = value_of(environ, argument)
        self.sampler_ratio = 1.0
        if self.sampler not in STANDARD_SAMPLERS:
            self.needs_sdk = True
            self.sampler = name
        elif value and self.sampler.endswith("traceidratio"):
            try:
                ratio = float(value)
            except ValueError:
                ratio = -1.0
            if 0.0 <= ratio <= 1.0:
                self.sampler_ratio = ratio
            else:
                text = "is not a number from 0 to 1, using 1"
                environment.warn(self.warnings, argument, value, text)

    def _span_and_log_limits(self, environ: Mapping[str, str]) -> None:
        def limit(name: str, default: int | None) -> int | None:
            return count(environ, name, default, self.warnings)

        general_count = limit("OTEL_ATTRIBUTE_COUNT_LIMIT", 128)
        span_length, log_length = environment.value_length_limits(environ, self.warnings)
        if self.masked:
            span_length = log_length = None
        self.limits = Limits(
            limit("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", general_count),
            span_length,
            limit("OTEL_SPAN_EVENT_COUNT_LIMIT", 128),
            limit("OTEL_SPAN_LINK_COUNT_LIMIT", 128),
            limit("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", general_count),
            limit("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", general_count),
        )
        self.log_limits = Limits(
            limit("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", general_count),
            log_length,
        )


def _exports_to_xray(environ: Mapping[str, str]) -> bool:
    """Whether X-Ray is the chosen destination, so that its sampling decision is the user's."""
    standard = "OTEL_EXPORTER_OTLP"
    name = environment.signal_variable(environ, standard, "traces", "ENDPOINT")
    return "://xray." in value_of(environ, name)
