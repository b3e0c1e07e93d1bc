"""The runtime side put together: settings, resource, channel, and each invocation's frames.

No failure here reaches the user's code: the function comes first, telemetry is lost with one line.
"""

from __future__ import annotations

import os
import sys

from serverless_instrument.wrapper.records import is_ours, type_name
from serverless_instrument.wrapper.records.primitives import (
    get_ident,
    getpid,
    process_time_ns,
    random_bytes,
    time_ns,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType, TracebackType

    from serverless_instrument.wrapper.deadline import DeadlineWatch
    from serverless_instrument.wrapper.function_metrics import FunctionMetrics
    from serverless_instrument.wrapper.invocation.context_extractor import ContextExtractor
    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.invocation.payload import Capture
    from serverless_instrument.wrapper.logs.log_capture import LogCapture
    from serverless_instrument.wrapper.records.records import Span

# Values of AWS_LAMBDA_INITIALIZATION_TYPE with which the environment is initialized before its
# first invocation arrives, so that no invocation waits for a cold start.
_INITIALIZED_AHEAD = frozenset(("provisioned-concurrency", "lambda-managed-instances"))


def warn(message: str) -> None:
    """Write one line to stderr, which Lambda puts into the function's log."""
    try:
        line = " ".join(message.split())  # a value quoted in it may have line breaks
        sys.stderr.write(f"serverless-instrument: {line}\n")
    except Exception as error:  # the user may have closed or replaced stderr
        if not is_ours(error):
            raise
        return


def _described(error: Exception) -> str:
    try:
        return f"{type_name(error)}: {error}"
    except Exception as fault:  # the __str__ of a user's exception may raise
        if not is_ours(fault):
            raise
        return type_name(error)


_shared: list[Instrumentation | None] = []


def shared(caller_file: str) -> Instrumentation | None:
    """The process's instrumentation, made by the first call; None where it is off or failed.

    Args:
        caller_file: as for `Instrumentation`.
    """
    if not _shared:
        _shared.append(_set_up(caller_file))
    return _shared[0]


def _set_up(caller_file: str) -> Instrumentation | None:
    try:
        instrumentation = Instrumentation(caller_file)
    except Exception as error:  # telemetry is lost, the function is not
        if not is_ours(error):
            raise
        warn(f"the function runs without instrumentation: {_described(error)}")
        return None
    return None if instrumentation.settings.disabled else instrumentation


def open_span() -> Span | None:
    """The running invocation's span; None where none runs or it is not sampled."""
    instrumentation = _shared[0] if _shared else None
    return instrumentation.open_span() if instrumentation else None


def send_span(span: Span) -> None:
    """Send a finished span of ours; nothing outside an instrumented function."""
    instrumentation = _shared[0] if _shared else None
    if instrumentation is not None:
        instrumentation.send_span(span)


def measure(
    name: str, value: float, unit: str, attributes: Mapping[str, object] | None, kind: str
) -> None:
    """Record one value of a metric; nothing outside an instrumented function."""
    instrumentation = _shared[0] if _shared else None
    if instrumentation is not None:
        instrumentation.measure(name, value, unit, attributes, kind)


class Instrumentation:
    """The objects of one process, and what is sent at each step of an invocation.

    Args:
        caller_file: the file of the frames that call the user's handler; a stack of the handler's
            thread is sent from below them.
    """

    def __init__(self, caller_file: str) -> None:
        from serverless_instrument import bundles

        bundles.preload("start")
        from serverless_instrument import resource, wire
        from serverless_instrument.wrapper.channel import Channel
        from serverless_instrument.wrapper.invocation.invocation import Invocation
        from serverless_instrument.wrapper.on_import import OnImport
        from serverless_instrument.wrapper.records import encoder
        from serverless_instrument.wrapper.response_post import ResponsePosts
        from serverless_instrument.wrapper.settings import Settings

        self.settings = Settings(os.environ)
        if self.settings.disabled:
            return
        bundles.install_vendored()
        encoder.hide_what_is_cut(self.settings.masked)
        warnings = self.settings.warnings
        attributes = resource.attributes(os.environ, warnings)
        self._resource_bytes = encoder.resource(attributes)
        self._caller_file = caller_file
        self._invocation_type = Invocation
        self._coldstart = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") not in _INITIALIZED_AHEAD
        self._fault_reported = False
        self._channel = Channel(wire.socket_path(os.environ), self._hello_frame)
        self._posts = ResponsePosts(self._send_end, self._report_fault)
        # Set in a forked child that runs the rest of an invocation, whose END the parent sends.
        self._inherited = False
        self._handler_thread_id = 0
        self._deadline: DeadlineWatch | None = None
        os.register_at_fork(after_in_child=self._after_fork)
        self._connect()
        for warning in warnings:
            warn(warning)
        self._running: Invocation | None = None
        self._metrics: FunctionMetrics | None = None
        self._capture = self._payload_capture()
        self._extract = self._context_extractor()
        self._on_import = OnImport(
            self.settings,
            attributes,
            self._channel.send,
            self._adopt_resource,
            lambda bridge: self._function_metrics().add_bridge(bridge),
            lambda: self._running,
            warn,
        )
        self._watch()
        _import_what_the_first_invocation_needs()

    def _watch(self) -> None:
        """Hook into imports, lines of output, and the client's posts of responses."""
        self._posts.watch_client()
        self._on_import.install()
        self._logs = self._watch_logs() if self.settings.logs_exported else None

    def _connect(self) -> None:
        """Connect to the layer's forwarder, else to one that is started here, in Lambda only."""
        if not self._channel.connect() and os.environ.get("AWS_LAMBDA_RUNTIME_API"):
            from serverless_instrument.wrapper import internal_extension

            internal_extension.start_for(self._channel, os.environ, warn)

    def _payload_capture(self) -> Capture | None:
        if self.settings.captured_payloads == "off":
            return None
        from serverless_instrument.wrapper.invocation.payload import capture_of

        return capture_of(self.settings)

    def _context_extractor(self) -> ContextExtractor | None:
        if not self.settings.context_extractor:
            return None
        from serverless_instrument.wrapper.invocation.context_extractor import ContextExtractor

        return ContextExtractor(self.settings.context_extractor, warn)

    def _watch_logs(self) -> LogCapture:
        from serverless_instrument.wrapper.logs.log_capture import LogCapture

        logs = LogCapture(self.settings, self._channel.send, warn)
        logs.install()
        self._on_import.watch_logs(logs)
        return logs

    def _hello_frame(self) -> bytes:
        from serverless_instrument import wire

        return wire.frame(wire.HELLO, wire.pack_hello(getpid(), b"", self._resource_bytes))

    def _adopt_resource(self, resource_bytes: bytes) -> None:
        """Send everything from now on with this encoded resource."""
        self._resource_bytes = resource_bytes
        self._channel.send(self._hello_frame())

    def _after_fork(self) -> None:
        self._inherited = True
        random_bytes.drop()
        self._channel.after_fork()
        self._deadline = None  # its thread is the parent's
        self._posts.waiting.clear()
        if self._metrics is not None:
            self._metrics.after_fork()
        if self._logs is not None:
            self._logs.after_fork()

    def start_invocation(
        self, event: object, context: object, attributes: Mapping[str, object] | None = None
    ) -> Invocation | None:
        """Send START; None where that failed, or the invocation has been started already.

        Args:
            event: the handler's event.
            context: the handler's context.
            attributes: set on the invocation's span.
        """
        if self._is_nested(context, attributes):
            return None
        invocation = None
        try:
            coldstart, self._coldstart = self._coldstart, False
            random_bytes.reads_ahead = True
            self._inherited = False
            if self._posts.waiting:
                self._posts.end_unposted()
            invocation = self._invocation_type(
                event,
                context,
                self.settings,
                os.environ,
                time_ns(),
                random_bytes,
                coldstart=coldstart,
                extract_foreign=self._on_import.extract_remote_parent,
                extracted=self._extract(event, context) if self._extract is not None else None,
            )
            if self._capture is not None:
                self._capture.add_request(invocation.span.attributes, event)
            if attributes:
                invocation.span.attributes.update(attributes)
            self._on_import.begin_invocation(invocation)
            self._note_cpu_time(invocation)
            start = invocation.start()
            self._handler_thread_id = get_ident()
            self._running = invocation
            self._channel.send(start)
            self._watch_deadline()
            if self._logs is not None:
                self._logs.set_invocation(invocation)
        except BaseException as error:
            if not isinstance(error, Exception) or not is_ours(error):
                if self._running is not None:
                    self.fail_invocation(self._running, error, error.__traceback__)
                raise
            self._running = None
            self._report_fault(error)
            if invocation is not None:
                invocation.abandon()
            return None
        return invocation

    def _is_nested(self, context: object, attributes: Mapping[str, object] | None) -> bool:
        """Whether a decorated handler is called in an instrumented one, whose span it adds to."""
        running = self._running
        if running is None or self._inherited:
            return False
        if self._is_cut_off(running, context):
            running.abandon()
            self._running = None
            return False
        running.span.attributes.update(attributes or {})
        return True

    def _is_cut_off(self, running: Invocation, context: object) -> bool:
        """Whether `running` ended unnoticed: a signal handler has raised where it ends."""
        from serverless_instrument.wrapper.invocation.invocation_start import text_of

        if text_of(context, "aws_request_id") in ("", running.request_id):
            return False
        frames_of_callers = 0
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            frames_of_callers += frame.f_code.co_filename == self._caller_file
            frame = frame.f_back
        return frames_of_callers < 2  # the one that is starting an invocation now, and no other

    def _note_cpu_time(self, invocation: Invocation) -> None:
        if self.settings.metrics_exported:
            invocation.cpu_ns = process_time_ns()

    def _watch_deadline(self) -> None:
        if self._deadline is None:
            from serverless_instrument.wrapper.deadline import DeadlineWatch

            self._deadline = DeadlineWatch(self._send_open_spans)
        self._deadline.watch(self._channel.connection)

    def _send_open_spans(self) -> None:
        """Send the spans that are open near the deadline, and the stack of the handler's thread."""
        invocation = self._running
        if invocation is None or self._inherited:
            return
        from serverless_instrument.wrapper.deadline import stack_of

        stack = stack_of(self._handler_thread_id, self._caller_file)
        children = self._on_import.open_spans()
        now_unix_ns = time_ns()
        self._channel.send(invocation.open_frames(stack, children, now_unix_ns))
        # After the spans, because a callback of the function's may hang; and now, because END may
        # never be sent.
        if metrics := self._metrics_frames(now_unix_ns):
            self._channel.send(metrics)

    def end_invocation(self, invocation: Invocation, response: object) -> None:
        """The handler has returned `response`: END follows the client's post, else goes now."""
        self._running = None
        if self._inherited:
            return
        try:
            now_unix_ns = time_ns()
            self._note_cpu_time(invocation)
            if self._capture is not None:
                self._capture.add_response(invocation.span.attributes, response)
            if self._posts.will_follow():
                invocation.record_response(response, now_unix_ns)
                self._posts.await_post(invocation)
            else:
                self._send_end(invocation, invocation.succeed(response, now_unix_ns))
        except Exception as error:
            if not is_ours(error):
                raise
            self._report_fault(error)

    def fail_invocation(
        self, invocation: Invocation, error: BaseException, traceback: TracebackType | None
    ) -> None:
        """The handler has raised `error`, whose frames of ours `traceback` lacks; as above."""
        self._running = None
        if self._inherited:
            return
        try:
            now_unix_ns = time_ns()
            self._note_cpu_time(invocation)
            # The client posts no exception of another kind: it leaves its loop.
            if isinstance(error, Exception) and self._posts.will_follow():
                invocation.record_return(now_unix_ns)
                self._posts.await_post(invocation, error, traceback)
            else:
                from serverless_instrument.wrapper.records.errors import stacktrace

                trace = stacktrace(error, traceback)
                self._send_end(invocation, invocation.fail(error, trace, now_unix_ns))
        except Exception as fault:
            if not is_ours(fault):
                raise
            self._report_fault(fault)

    def _send_end(self, invocation: Invocation, end: bytes) -> None:
        if self._logs is not None:
            self._logs.flush_lines()
        self._channel.send(self._metrics_frames(invocation.span.end_unix_ns) + end)

    def send_init_error(self, error: BaseException, traceback: TracebackType | None) -> None:
        """Send INIT_ERROR: loading the handler's module raised `error`."""
        try:
            from serverless_instrument.wrapper.invocation.frames import init_error_frame
            from serverless_instrument.wrapper.records.errors import stacktrace

            trace = stacktrace(error, traceback)
            now_unix_ns = time_ns()
            frame = init_error_frame(error, trace, now_unix_ns, self.settings.limits)
            self._channel.send(self._metrics_frames(now_unix_ns) + frame)
        except Exception as fault:
            if not is_ours(fault):
                raise
            self._report_fault(fault)

    def _metrics_frames(self, now_unix_ns: int) -> bytes:
        return self._metrics.take_frames(now_unix_ns) if self._metrics is not None else b""

    def measure(
        self, name: str, value: float, unit: str, attributes: Mapping[str, object] | None, kind: str
    ) -> None:
        """Record one value of a metric, which is sent at the end of the invocation."""
        if self.settings.metrics_exported:
            self._function_metrics().measure(name, value, unit, attributes, kind)

    def _function_metrics(self) -> FunctionMetrics:
        if self._metrics is None:
            from serverless_instrument.wrapper.function_metrics import FunctionMetrics

            # setdefault is atomic: two threads may record their first values at once.
            self._metrics = self.__dict__.setdefault(
                "_first_metrics", FunctionMetrics(self._channel.send, self._report_fault)
            )
        return self._metrics

    def open_span(self) -> Span | None:
        """The running invocation's span; None where none runs or it is not sampled."""
        invocation = self._running
        return invocation.span if invocation is not None and invocation.sampled else None

    def send_span(self, span: Span) -> None:
        """Send a finished span of ours."""
        from serverless_instrument.wrapper.invocation.frames import span_frame

        self._channel.send(span_frame(span, self.settings.limits))

    def _report_fault(self, error: Exception) -> None:
        """Write one line for the first failure of ours in this process."""
        if not self._fault_reported:
            self._fault_reported = True
            warn(f"telemetry of an invocation was lost: {_described(error)}")


def _import_what_the_first_invocation_needs() -> None:
    """Import it while Lambda initializes the function, with a whole processor.

    At 128 MB an invocation has 7 % of one
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
    """
    from serverless_instrument.wrapper import deadline  # noqa: F401 - as above
    from serverless_instrument.wrapper.import_hooks import context_in_threads  # noqa: F401 - as above
