"""Environment variables of the platform's telemetry: what to ask for, what to send on; pure."""

from __future__ import annotations

from serverless_instrument.log_rules import LogRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEV_MODE = "SERVERLESS_INSTRUMENT_DEV_MODE"
EMF = "SERVERLESS_INSTRUMENT_EMF"
EXTENSION_LOGS = "SERVERLESS_INSTRUMENT_EXTENSION_LOGS"
PLATFORM_LOGS = "SERVERLESS_INSTRUMENT_PLATFORM_LOGS"

_MANAGED_INSTANCES = "lambda-managed-instances"
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("", "false", "0", "off", "no")


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
        self.rules = LogRules(environ)
        self.warnings = self.rules.warnings
        self.dev_mode = self._switch(environ, DEV_MODE)
        self.platform_logs = self._switch(environ, PLATFORM_LOGS)
        self.concurrent = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == _MANAGED_INSTANCES
        extension_logs = self._switch(environ, EXTENSION_LOGS)
        self.rules.enabled = self.rules.enabled and has_destination
        asked_for_emf = self._switch(environ, EMF)
        declined = environ.get(EMF, "").strip().lower() in _FALSE[1:]
        self.emf = takes_metrics and not declined
        types = ["platform"]
        if self.rules.enabled or (self.emf and asked_for_emf):
            types.append("function")
        if self.rules.enabled and extension_logs:
            types.append("extension")
        self.types = tuple(types)

    def _switch(self, environ: Mapping[str, str], name: str) -> bool:
        value = environ.get(name, "").strip().lower()
        if value not in _TRUE and value not in _FALSE:
            self.warnings.append(f'{name}="{value[:100]}" is not known: set it to true or false')
        return value in _TRUE
