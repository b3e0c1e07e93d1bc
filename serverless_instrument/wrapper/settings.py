"""Environment variables of the runtime side to `Settings`; pure.

Names and meanings: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
A value that cannot be used becomes one warning, which names it and the remedy, and the default.
"""

from __future__ import annotations

from serverless_instrument.wrapper.encoder import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        "metrics_exported",
        "needs_sdk",
        "payload_bytes",
        "payload_depth",
        "payload_keys",
        "propagators",
        "sampler",
        "sampler_ratio",
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
