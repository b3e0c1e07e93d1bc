"""Environment variables to destinations. Pure.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/. A value that cannot be used becomes one
warning, which names it and the remedy, and the default.
"""

from __future__ import annotations

from serverless_instrument import environment
from serverless_instrument.environment import shown
from serverless_instrument.forwarder.destinations.destination import SIGNALS
from serverless_instrument.forwarder.destinations.endpoint_settings import STANDARD, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.forwarder.destinations.destination import Destination

_MORE = "SERVERLESS_INSTRUMENT_DESTINATIONS"
_RECEIVER = "SERVERLESS_INSTRUMENT_RECEIVER"
# https://opentelemetry.io/docs/specs/otlp/#otlphttp-default-port
_RECEIVER_PORT = 4318
_STATSD = "SERVERLESS_INSTRUMENT_STATSD"
# https://github.com/statsd/statsd/blob/master/exampleConfig.js
_STATSD_PORT = 8125
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_LOOPBACK = ("localhost", "127.0.0.1")


class Settings:
    """Destinations by signal; a signal that is switched off or has no endpoint is not in it.

    Those of the standard variables come first, those of SERVERLESS_INSTRUMENT_DESTINATIONS after.
    `exponential_histograms` is for values that come without buckets.
    """

    __slots__ = ("destinations", "exponential_histograms", "warnings")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.destinations: dict[str, list[Destination]] = {}
        self.warnings: list[str] = []
        self.exponential_histograms = environment.exponential_histograms(environ, self.warnings)
        disabled = environment.sdk_disabled(environ, self.warnings)
        signals = [
            signal
            for signal in SIGNALS
            if environment.exported(environ, signal, self.warnings) and not disabled
        ]
        readers = [Reader(environ, STANDARD, s, s, self.warnings) for s in signals]
        readers += self._more(environ, signals)
        for reader in readers:
            destination = reader.destination()
            if destination is not None and self._sensible(environ, destination):
                self.destinations.setdefault(destination.signal, []).append(destination)
        if readers and not any(reader.has_endpoint() for reader in readers):
            self.warnings.append(
                "no OTLP endpoint: telemetry is discarded; set OTEL_EXPORTER_OTLP_ENDPOINT, "
                "for instance to https://otlp.example.com:4318"
            )
        self._through_proxies(environ)
        # One variable is read for three signals: say what is wrong with it once.
        self.warnings = list(dict.fromkeys(self.warnings))

    def _more(self, environ: Mapping[str, str], signals: list[str]) -> list[Reader]:
        """Readers of named destinations, each with variables of its own.

        Nothing is inherited: the standard variables' headers are secrets of another backend.
        """
        readers = []
        for name in destination_names(environ):
            prefix = prefix_of(name)
            own = [Reader(environ, prefix, s, f"{s} ({name})", self.warnings) for s in signals]
            if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
                self.warnings.append(
                    f'{_MORE}: "{shown(name)}" is left out: a name is of letters, digits, - and _'
                )
            elif signals and not any(reader.has_endpoint() for reader in own):
                self.warnings.append(
                    f'{_MORE}: "{shown(name)}" is left out: set {shown(prefix)}_ENDPOINT as you '
                    f"would set {STANDARD}_ENDPOINT"
                )
            else:
                readers += own
        return readers

    def _sensible(self, environ: Mapping[str, str], destination: Destination) -> bool:
        """Whether `destination` is anything but this forwarder's own receiver."""
        if destination.host not in _LOOPBACK or destination.port != receiver_port(environ)[0]:
            return True
        self.warnings.append(
            f"{destination.authority()} is this extension's own receiver, what would go there is "
            f"discarded: set {STANDARD}_ENDPOINT to the backend, or {_RECEIVER} to another port"
        )
        return False

    def _through_proxies(self, environ: Mapping[str, str]) -> None:
        if not any(environ.get(name) for name in _PROXIES):
            return
        from serverless_instrument.forwarder.destinations import proxy

        found = [d for listed in self.destinations.values() for d in listed]
        for destination in [*found, *[d.secret_endpoint for d in found if d.secret_endpoint]]:
            destination.proxy, problem = proxy.choose(
                environ, destination.secure, destination.host, destination.port
            )
            if problem:
                self.warnings.append(problem)


def destination_names(environ: Mapping[str, str]) -> list[str]:
    """Names of further destinations, in order, each once."""
    return list(dict.fromkeys(environment.value_of(environ, _MORE).replace(",", " ").split()))


def prefix_of(name: str) -> str:
    """What the variables of the further destination `name` begin with."""
    return f"SERVERLESS_INSTRUMENT_DESTINATION_{name.upper().replace('-', '_')}"


def receiver_port(environ: Mapping[str, str]) -> tuple[int, str]:
    """(port of the OTLP receiver on loopback, 0 for none; what is wrong with the setting)."""
    return _port(environ, _RECEIVER, _RECEIVER_PORT)


def statsd_port(environ: Mapping[str, str]) -> tuple[int, str]:
    """(UDP port for StatsD on loopback, 0 for none; what is wrong with the setting)."""
    return _port(environ, _STATSD, _STATSD_PORT)


def _port(environ: Mapping[str, str], name: str, default: int) -> tuple[int, str]:
    value = environment.value_of(environ, name).lower()
    if not value or value in environment.FALSE:
        return 0, ""
    if value in environment.TRUE:
        return default, ""
    # The Runtime API has 9001 (https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html).
    if 1024 <= environment.whole(value) < 65536 and value != "9001":
        return int(value), ""
    warnings: list[str] = []
    environment.warn(
        warnings,
        name,
        value,
        "is neither true, false nor a port, nothing listens: set it to true, or to a port from "
        "1024 to 65535",
    )
    return 0, warnings[0]
