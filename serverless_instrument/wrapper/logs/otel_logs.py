"""OpenTelemetry's Logs API in the function: our logger provider, until the user sets another.

It does not need the SDK. A provider that the user sets replaces ours, with our processor added to
it, as with spans. https://opentelemetry.io/docs/specs/otel/logs/api/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry._logs import Logger, LoggerProvider, LogRecord

from serverless_instrument.wrapper.records import encoder, errors, is_ours, records
from serverless_instrument.wrapper.records.primitives import time_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    RecordCallback = Callable[[bytes, records.LogRecord], None]

_ZERO_TRACE_ID, _ZERO_SPAN_ID = bytes(16), bytes(8)


class _Logger(Logger):
    resource = None  # the SDK's LoggingHandler reads it

    def __init__(self, scope: bytes, on_record: RecordCallback, *names: Any) -> None:
        super().__init__(*names)
        self._scope = scope
        self._on_record = on_record

    def emit(self, record: LogRecord | None = None, **given: Any) -> None:
        _emit(self._on_record, self._scope, record, given)

    def enabled(self, **_: Any) -> bool:
        return True


class _Provider(LoggerProvider):
    def __init__(self, on_record: RecordCallback) -> None:
        self._on_record = on_record

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Logger:
        scope = encoder.scope(name or "", version or "", schema_url or "", attributes)
        return _Logger(scope, self._on_record, name, version, schema_url, attributes)

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002 - nothing waits
        return True

    def shutdown(self) -> None:
        return


class _Processor:
    """Log record processor for the user's provider; older releases of the SDK call ``emit``."""

    def __init__(self, on_record: RecordCallback) -> None:
        self._on_record = on_record

    def on_emit(self, log_record: Any) -> None:
        scope = log_record.instrumentation_scope
        attributes = getattr(scope, "attributes", None)
        encoded = encoder.scope(
            scope.name or "", scope.version or "", scope.schema_url or "", attributes
        )
        _emit(self._on_record, encoded, log_record.log_record, {})

    emit = on_emit

    def enabled(self, *_: Any, **__: Any) -> bool:
        return True

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002 - nothing waits
        return True

    def shutdown(self) -> None:
        return


def _emit(on_record: RecordCallback, scope: bytes, record: Any, given: dict[str, Any]) -> None:
    try:
        on_record(scope, record_from_api(LogRecord(**given) if record is None else record))
    except Exception as error:  # the record is lost; the function's call goes on
        if not is_ours(error):
            raise
        return


def record_from_api(log: Any) -> records.LogRecord:
    """Our record of the API's; its ids are b"" where the API's has none."""
    observed_unix_ns = getattr(log, "observed_timestamp", None) or time_ns()
    attributes = dict(log.attributes or {})
    exception = getattr(log, "exception", None)
    if exception is not None:
        trace = errors.stacktrace(exception, exception.__traceback__)
        attributes = {**errors.details(exception, trace), **attributes}
    number = getattr(log.severity_number, "value", log.severity_number)
    made = records.LogRecord(
        log.timestamp or observed_unix_ns,
        number if isinstance(number, int) else 0,
        log.severity_text or "",
        log.body,
        attributes,
        (log.trace_id or 0).to_bytes(16, "big"),
        (log.span_id or 0).to_bytes(8, "big"),
        int(log.trace_flags or 0),
        getattr(log, "event_name", None) or "",
    )
    made.observed_unix_ns = observed_unix_ns
    if made.trace_id == _ZERO_TRACE_ID or made.span_id == _ZERO_SPAN_ID:
        made.trace_id = made.span_id = b""
    return made


def set_up_logs_api(api: ModuleType, on_record: RecordCallback) -> None:
    """Make our provider the global one of `api`, ``opentelemetry._logs``.

    The API's setter accepts one provider only and is left to the user.
    """
    from opentelemetry._logs import _internal

    if _internal._LOGGER_PROVIDER is None:
        _internal._LOGGER_PROVIDER = _Provider(on_record)
    original = _internal.set_logger_provider

    def set_logger_provider(logger_provider: Any) -> None:
        before = _internal._LOGGER_PROVIDER
        original(logger_provider)
        if logger_provider is _internal._LOGGER_PROVIDER is not before:
            add = getattr(logger_provider, "add_log_record_processor", None)
            if add is not None:
                add(_Processor(on_record))

    set_logger_provider.__doc__ = original.__doc__
    _internal.set_logger_provider = set_logger_provider
    api.set_logger_provider = set_logger_provider  # type: ignore[attr-defined] # a module
