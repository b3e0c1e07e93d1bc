"""Environment variables of the platform's telemetry: what to ask for, what to send on. Pure."""

from __future__ import annotations

from serverless_instrument import environment
from serverless_instrument.forwarder.patterns.patterns import Patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MANAGED_INSTANCES = "lambda-managed-instances"


class LogSettings:
    """What `environ` asks for; `warnings` name what cannot be used.

    Attributes:
        rules: for lines; they are off, too, where logs have no destination.
        types: of the subscription, none where nobody would look at it.
        dev_mode: send while the invocation runs, and wait for the platform's lines at its end.
        platform_logs: make records of START, END and REPORT.
        concurrent: invocations overlap.
        emf: take metrics of the embedded metric format from lines; where lines do not leave, only
            if it is asked for by name.

    Args:
        environ: the environment.
        has_destination: whether logs go anywhere.
        takes_metrics: whether metrics do.
    """

    __slots__ = ("concurrent", "dev_mode", "emf", "platform_logs", "rules", "types", "warnings")

    def __init__(
        self, environ: Mapping[str, str], *, has_destination: bool, takes_metrics: bool = False
    ) -> None:
        self.rules = Patterns(environ)
        self.warnings = warnings = self.rules.warnings
        self.dev_mode = environment.dev_mode(environ, warnings)
        self.platform_logs = environment.boolean(
            environ, "SERVERLESS_INSTRUMENT_PLATFORM_LOGS", False, warnings
        )
        self.concurrent = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == _MANAGED_INSTANCES
        extension_logs = environment.boolean(
            environ, "SERVERLESS_INSTRUMENT_EXTENSION_LOGS", False, warnings
        )
        self.rules.enabled = self.rules.enabled and has_destination
        emf = environment.boolean(environ, "SERVERLESS_INSTRUMENT_EMF", None, warnings)
        self.emf = takes_metrics and emf is not False
        types = ["platform"]
        if self.rules.enabled or (self.emf and emf):
            types.append("function")
        if self.rules.enabled and extension_logs:
            types.append("extension")
        self.types = tuple(types)
