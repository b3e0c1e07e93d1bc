"""What ``_HANDLER`` points at: loads the user's handler and calls it between START and END.

The file's name is part of the design. awslambdaric trims leading stack frames of files named
``bootstrap.py``, so an error document shows the user's frames first, as without us. For the same
reason the user's module is loaded by the runtime client's own loader, from the module-level
``__getattr__`` below, where all frames above the loader's are ``bootstrap.py`` frames.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from time import process_time_ns, time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from serverless_instrument.wrapper.deadline import DeadlineWatch
    from serverless_instrument.wrapper.invocation import Invocation
    from serverless_instrument.wrapper.logs.log_capture import LogCapture
    from serverless_instrument.wrapper.metrics.measurements import Measurements
    from serverless_instrument.wrapper.payload import Capture
    from serverless_instrument.wrapper.records.propagation import SpanContext
    from serverless_instrument.wrapper.records.records import Span

    Handler = Callable[[object, object], object]

_MARK = "__serverless_instrument__"
_USER_HANDLER = "SERVERLESS_INSTRUMENT_HANDLER"
# Types of start in which the environment was ready before its first invocation came.
_INITIALIZED_AHEAD = frozenset(("provisioned-concurrency", "lambda-managed-instances"))


def __getattr__(name: str) -> Handler:
    """The instrumented handler, made when the runtime client asks for ``handler``.

    Raises:
        Exception: whatever the runtime client's loader or the user's module raises, unchanged but
            for AttributeError, which the client would take for a missing handler of ours.
    """
    if name != "handler":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    user_handler_name = os.environ.pop(_USER_HANDLER, "") or os.environ.get("_HANDLER", "")
    if user_handler_name == f"{__name__}.handler":
        msg = f'_HANDLER="{user_handler_name}" names no function; set {_USER_HANDLER} to yours'
        raise ValueError(msg)
    os.environ["_HANDLER"] = user_handler_name
    instrumentation = shared()
    try:
        user_handler = _load(user_handler_name)
    except AttributeError as error:
        if instrumentation:
            instrumentation.init_failed(error)
        raise _disguised(error).with_traceback(error.__traceback__) from None
    except BaseException as error:
        if instrumentation:
            instrumentation.init_failed(error)
        raise
    handler = instrument(user_handler, instrumentation) if instrumentation else user_handler
    globals()["handler"] = handler
    return handler


def _load(user_handler_name: str) -> Handler:
    client = sys.modules.get("awslambdaric.bootstrap")
    loader = getattr(client, "_get_handler", None)
    if loader is not None:
        handler: Handler = loader(user_handler_name)
        return handler
    from importlib import import_module

    module_name, _, function_name = user_handler_name.rpartition(".")
    loaded: Handler = getattr(import_module(module_name.replace("/", ".")), function_name)
    return loaded


def _disguised(error: AttributeError) -> Exception:
    """An exception that reads like `error` but is no AttributeError."""
    kind = type(type(error).__name__, (Exception,), {"__str__": lambda _: str(error)})
    disguised: Exception = kind()
    return disguised


def warn(message: str) -> None:
    """One line on stderr, which Lambda puts in the function's log."""
    try:
        line = " ".join(message.split())  # a value it quotes may have several
        sys.stderr.write(f"serverless-instrument: {line}\n")
    except Exception:  # the user may have closed or replaced stderr
        return


def _described(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # a user's object may be the cause, and its exception may raise again
        return type(error).__name__


_shared: list[Instrumentation | None] = []


def shared() -> Instrumentation | None:
    """The process's instrumentation, made by who asks first; None where there is none."""
    if not _shared:
        _shared.append(_set_up())
    return _shared[0]


def decorated(user_handler: Handler, attributes: Mapping[str, object] | None) -> Handler:
    """`user_handler`, instrumented unless it is already; `attributes` go on its spans."""
    instrumentation = shared()
    if instrumentation is None or _is_marked(user_handler):
        return user_handler
    return instrument(user_handler, instrumentation, attributes)


def open_span() -> Span | None:
    """The running invocation's span, None where there is none or it is not sampled."""
    instrumentation = _shared[0] if _shared else None
    return instrumentation.open_span() if instrumentation else None


def send_span(span: Span) -> None:
    """Send a finished span of ours."""
    instrumentation = _shared[0] if _shared else None
    if instrumentation is not None:
        instrumentation.send_span(span)


def measure(
    name: str, value: float, unit: str, attributes: Mapping[str, object] | None, kind: str
) -> None:
    """Keep one value of a metric; nothing outside an instrumented function."""
    instrumentation = _shared[0] if _shared else None
    if instrumentation is not None:
        instrumentation.measure(name, value, unit, attributes, kind)


def _set_up() -> Instrumentation | None:
    try:
        instrumentation = Instrumentation()
    except Exception as error:  # telemetry is lost, the function is not
        warn(f"the function runs without instrumentation: {_described(error)}")
        return None
    return None if instrumentation.settings.disabled else instrumentation


class Instrumentation:
    """The runtime side, put together: settings, resource, channel."""

    def __init__(self) -> None:
        from serverless_instrument import wire
        from serverless_instrument.wrapper import invocation, resource
        from serverless_instrument.wrapper.channel import Channel
        from serverless_instrument.wrapper.on_import import OnImport
        from serverless_instrument.wrapper.records import encoder
        from serverless_instrument.wrapper.settings import Settings

        self.settings = Settings(os.environ)
        if self.settings.disabled:
            return
        encoder.use_mask(self.settings.mask)
        warnings = self.settings.warnings
        attributes = resource.attributes(os.environ, warnings)
        self._resource_bytes = encoder.resource(attributes)
        self._invocation_type = invocation.Invocation
        self._coldstart = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") not in _INITIALIZED_AHEAD
        self._failed = False
        self._socket_path = wire.socket_path(os.environ)
        self._channel = Channel(self._socket_path, self._hello)
        # Set in a forked child that runs the rest of an invocation: its END is the parent's.
        self._inherited = False
        self._handler_thread_id = 0
        self._deadline: DeadlineWatch | None = None
        os.register_at_fork(after_in_child=self._after_fork)
        if not self._channel.connect() and os.environ.get("AWS_LAMBDA_RUNTIME_API"):
            self._start_forwarder()
        for warning in warnings:
            warn(warning)
        self._running: Invocation | None = None
        self._measurements: Measurements | None = None
        self._capture = self._payload_capture()
        self._extractor_loaded = False
        self._on_import = OnImport(
            self.settings,
            attributes,
            self._channel.send,
            self._adopt_resource,
            lambda: self._running,
            warn,
        )
        self._on_import.install()
        self._logs: LogCapture | None = None
        if self.settings.logs_exported:
            self._logs = self._watch_logs()
        _load_what_the_first_invocation_needs()

    def _watch_logs(self) -> LogCapture:
        from serverless_instrument.wrapper.logs.log_capture import LogCapture

        logs = LogCapture(self.settings, self._channel.send, warn)
        logs.install()
        self._on_import.watch_logs(logs)
        return logs

    def _payload_capture(self) -> Capture | None:
        settings = self.settings
        if settings.captured_payloads == "off":
            return None
        from serverless_instrument.wrapper.payload import Capture, Rules

        rules = Rules(
            settings.payload_bytes or 0, settings.payload_depth or 0, settings.payload_keys
        )
        return Capture(settings.captured_payloads, rules)

    def _extracted(self, event: object, context: object) -> Mapping[str, str] | SpanContext | None:
        """What the user's own extractor finds."""
        if not self.settings.context_extractor:
            return None
        if not self._extractor_loaded:
            # Not before: it may be in the module whose handler is being decorated.
            self._extractor_loaded = True
            from serverless_instrument.wrapper import context_extractor

            self._extractor = context_extractor.load(self.settings.context_extractor, warn)
        return self._extractor(event, context) if self._extractor else None

    def _hello(self) -> bytes:
        from serverless_instrument import wire

        return wire.frame(wire.HELLO, wire.pack_hello(os.getpid(), b"", self._resource_bytes))

    def _adopt_resource(self, resource_bytes: bytes) -> None:
        """What is sent from now on is of this resource."""
        self._resource_bytes = resource_bytes
        self._channel.send(self._hello())

    def _start_forwarder(self) -> None:
        """Without the layer: an internal extension of our own."""
        from serverless_instrument.wrapper import internal_extension

        path = f"{self._socket_path}.{os.getpid()}"
        try:
            self._channel.adopt(internal_extension.start(os.environ, path), path)
        except internal_extension.UnavailableError as error:
            warn(f"no forwarder, telemetry is discarded: {error}")

    def _after_fork(self) -> None:
        self._inherited = True
        self._channel.after_fork()
        self._deadline = None  # its thread is the parent's
        if self._on_import.metrics is not None:
            self._on_import.metrics.after_fork()
        if self._measurements is not None:
            self._measurements.after_fork(time_ns())
        if self._logs is not None:
            self._logs.after_fork()

    def _watch_deadline(self) -> None:
        if self._deadline is None:
            from serverless_instrument.wrapper.deadline import DeadlineWatch

            self._deadline = DeadlineWatch(self._tell_of_open_spans)
        self._deadline.watch(self._channel.connection)

    def _tell_of_open_spans(self) -> None:
        """The invocation's time is nearly up: what is open, and where the handler is."""
        invocation = self._running
        if invocation is None or self._inherited:
            return
        from serverless_instrument.wrapper.deadline import stack_of

        stack = stack_of(self._handler_thread_id, _OWN_FILE)
        children = self._on_import.open_spans()
        now_unix_ns = time_ns()
        self._channel.send(invocation.unfinished(stack, children, now_unix_ns))
        # What has been measured so far may be all; a callback of the function's may hang as well.
        if metrics := self._metrics(now_unix_ns):
            self._channel.send(metrics)

    def start(
        self, event: object, context: object, attributes: Mapping[str, object] | None = None
    ) -> Invocation | None:
        """Send START; None where telemetry of this invocation failed, or it has begun already."""
        if self._running is not None and not self._inherited:
            # A decorated handler inside an instrumented one.
            self._running.span.attributes.update(attributes or {})
            return None
        invocation = None
        try:
            coldstart, self._coldstart = self._coldstart, False
            self._inherited = False
            invocation = self._invocation_type(
                event,
                context,
                self.settings,
                os.environ,
                time_ns(),
                os.urandom,
                coldstart=coldstart,
                extract_foreign=self._on_import.extract,
                extracted=self._extracted(event, context),
            )
            if self._capture is not None:
                self._capture.request(invocation.span.attributes, event)
            if attributes:
                invocation.span.attributes.update(attributes)
            self._on_import.begin(invocation)
            self._note_cpu(invocation)
            self._channel.send(invocation.start())
            self._handler_thread_id = get_ident()
            self._running = invocation
            self._watch_deadline()
            if self._logs is not None:
                self._logs.set_invocation(invocation)
        except Exception as error:  # never in the way of the function
            self._fault(error)
            if invocation is not None:
                invocation.abandon()
            return None
        return invocation

    def _note_cpu(self, invocation: Invocation) -> None:
        if self.settings.metrics_exported:
            invocation.cpu_ns = process_time_ns()

    def succeed(self, invocation: Invocation, response: object) -> None:
        """Send END for a handler that returned."""
        self._running = None
        if self._inherited:
            return
        try:
            now_unix_ns = time_ns()
            self._note_cpu(invocation)
            if self._capture is not None:
                self._capture.response(invocation.span.attributes, response)
            if self._logs is not None:
                self._logs.flush_lines()
            end = invocation.succeed(response, now_unix_ns)
            self._channel.send(self._metrics(now_unix_ns) + end)
        except Exception as error:  # as above
            self._fault(error)

    def fail(self, invocation: Invocation, error: BaseException) -> None:
        """Send END for a handler that raised."""
        self._running = None
        if self._inherited:
            return
        try:
            now_unix_ns = time_ns()
            self._note_cpu(invocation)
            from serverless_instrument.wrapper.records.errors import stacktrace

            trace = stacktrace(error, _user_frames(error))
            if self._logs is not None:
                self._logs.flush_lines()
            end = invocation.fail(error, trace, now_unix_ns)
            self._channel.send(self._metrics(now_unix_ns) + end)
        except Exception as fault:  # as above
            self._fault(fault)

    def init_failed(self, error: BaseException) -> None:
        """Send INIT_ERROR: the handler's module could not be loaded."""
        try:
            from serverless_instrument.wrapper.invocation import init_error_frame
            from serverless_instrument.wrapper.records.errors import stacktrace

            trace = stacktrace(error, _below_own_frames(error))
            now_unix_ns = time_ns()
            frame = init_error_frame(error, trace, now_unix_ns, self.settings.limits)
            self._channel.send(self._metrics(now_unix_ns) + frame)
        except Exception as fault:  # never in the way of the function's own error
            self._fault(fault)

    def _metrics(self, now_unix_ns: int) -> bytes:
        """METRICS frames of what has been measured since the last invocation's end."""
        frames, bridge = b"", self._on_import.metrics
        try:
            if bridge is not None:
                frames = bridge.take_metric_frames(now_unix_ns)
            if self._measurements is not None:
                frames += self._measurements.take_metric_frames(now_unix_ns)
        except Exception as error:  # an invocation's END is worth more
            self._fault(error)
        return frames

    def measure(
        self, name: str, value: float, unit: str, attributes: Mapping[str, object] | None, kind: str
    ) -> None:
        """Keep one value of a metric for the end of the invocation."""
        if not self.settings.metrics_exported:
            return
        measurements = self._measurements
        if measurements is None:
            from serverless_instrument.wrapper.metrics.measurements import Measurements

            # Two threads may record their first values at once.
            measurements = self.__dict__.setdefault("_first_measurements", Measurements(time_ns()))
            measurements.on_full = self._relieve
            self._measurements = measurements
        measurements.record_value(name, value, unit, attributes, kind)

    def _relieve(self) -> None:
        """Send what waits, which has become too much."""
        if self._measurements is not None:
            self._channel.send(self._measurements.take_metric_frames(time_ns()))

    def open_span(self) -> Span | None:
        """The running invocation's span, None where there is none or it is not sampled."""
        invocation = self._running
        return invocation.span if invocation is not None and invocation.sampled else None

    def send_span(self, span: Span) -> None:
        """Send a finished span of ours."""
        from serverless_instrument.wrapper.invocation import span_frame

        self._channel.send(span_frame(span, self.settings.limits))

    def _fault(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            warn(f"telemetry of an invocation was lost: {_described(error)}")


def _load_what_the_first_invocation_needs() -> None:
    """Import it while Lambda starts us: a function with little memory gets a whole processor then,
    and 7 % of one in its invocations (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
    """
    import select  # noqa: F401 - as above

    from serverless_instrument.wrapper import deadline  # noqa: F401 - as above
    from serverless_instrument.wrapper.import_hooks import context_in_threads as late_context  # noqa: F401 - as above


def instrument(
    user_handler: Handler,
    instrumentation: Instrumentation,
    attributes: Mapping[str, object] | None = None,
) -> Handler:
    """`user_handler` between START and END; same result, same exception, same stack trace."""
    if _is_marked(user_handler):
        return user_handler

    def handler(event: object, context: object) -> object:
        invocation = instrumentation.start(event, context, attributes)
        try:
            response = user_handler(event, context)
        except BaseException as error:
            if invocation is not None:
                instrumentation.fail(invocation, error)
            _leave_no_frame(error)
            raise
        if invocation is not None:
            instrumentation.succeed(invocation, response)
        return response

    _dress(handler, user_handler)
    return handler


def _is_marked(user_handler: Handler) -> bool:
    return getattr(user_handler, _MARK, None) is True


def _dress(handler: Handler, user_handler: Handler) -> None:
    """What functools.wraps does, for handlers that may be any object."""
    setattr(handler, _MARK, True)
    handler.__wrapped__ = user_handler  # type: ignore[attr-defined] # a function
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        try:
            setattr(handler, name, getattr(user_handler, name))
        except Exception:  # it has none, or a strange one
            continue


def _user_frames(error: BaseException) -> TracebackType | None:
    traceback = error.__traceback__
    if traceback is not None and traceback.tb_frame.f_code.co_filename == _OWN_FILE:
        return traceback.tb_next
    return traceback


def _below_own_frames(error: BaseException) -> TracebackType | None:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == _OWN_FILE:
        traceback = traceback.tb_next
    return traceback


_OWN_FILE = _user_frames.__code__.co_filename


def _leave_no_frame(error: BaseException) -> None:
    """Take our frame out of `error` before it is raised again.

    The client leaves it in error documents where only ``bootstrap.py`` frames follow it, and the
    interpreter shows it when it ends of a BaseException, which the client does not catch.
    """
    traceback = error.__traceback__
    if sys.version_info < (3, 11):
        # There an exception raised again gets its old traceback back.
        if _seems_the_clients_own(traceback):
            _hide_own_frame()
    elif traceback is not None and traceback.tb_frame.f_code.co_filename == _OWN_FILE:
        # The base class's own method: a user's class may have another of that name.
        BaseException.with_traceback(error, traceback.tb_next)


def _seems_the_clients_own(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if "/bootstrap.py" not in traceback.tb_frame.f_code.co_filename:
            return False
        traceback = traceback.tb_next
    return True


def _hide_own_frame() -> None:
    """Have the client leave our frame out of its error documents: Python 3.10 only.

    A handler that cannot be called (not a function, wrong number of arguments) fails in the
    caller's own frame, and a function's own file may be a ``bootstrap.py``. The client then trims
    nothing.
    """
    client = sys.modules.get("awslambdaric.bootstrap")
    extract = getattr(client, "extract_traceback", None)
    if client is None or extract is None or getattr(extract, "hides_own_frame", False):
        return

    def extract_traceback(traceback: object) -> list[tuple[str, int, str, str]]:
        return [frame for frame in extract(traceback) if frame[0] != _OWN_FILE]

    extract_traceback.hides_own_frame = True  # type: ignore[attr-defined] # a mark for the next call
    client.extract_traceback = extract_traceback  # type: ignore[attr-defined] # as found above
