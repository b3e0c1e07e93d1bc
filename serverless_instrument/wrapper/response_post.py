"""END after the runtime client's post of the response, which tells how the invocation ended.

The caller waits for the post and not for us; Lambda counts the time up to the client's next
``/next`` to the invocation, so that nothing is frozen in between
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). What is posted also decides the
outcome: the client posts an error for a result that it cannot encode.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from json import loads

from serverless_instrument.wrapper.records import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    from serverless_instrument.wrapper.invocation.invocation import Invocation

# In awslambdaric 2 and 3 the first class that has them is the second, in 4 it is the first.
_CLIENTS = ("BaseLambdaRuntimeClient", "LambdaRuntimeClient", "LambdaMultiConcurrentRuntimeClient")
_RESULT, _ERROR = "post_invocation_result", "post_invocation_error"
# What a post has that nobody can read an error of; the conventions' value for that.
_UNKNOWN = "_OTHER"
# The client calls a handler from its loop, under decorators of the function's.
_MOST_FRAMES = 100


class Handled:
    """An invocation whose handler is over, with what it raised, and whose response is not posted.

    `traceback` is that of `error` without frames of ours.
    """

    __slots__ = ("error", "invocation", "thread_id", "traceback")

    def __init__(
        self,
        invocation: Invocation,
        error: Exception | None,
        traceback: TracebackType | None,
    ) -> None:
        self.invocation = invocation
        self.error = error
        self.traceback = traceback
        self.thread_id = get_ident()

    def end_frames(self, failure: tuple[str, str] | None, *, as_raised: bool) -> bytes:
        """END and what goes before it.

        Args:
            failure: ``error.type`` and message of what was posted, None for a result.
            as_raised: the invocation failed with what the handler raised.
        """
        error = self.error
        if error is None:
            return self.invocation.end(failure)
        details = errors.details(error, errors.stacktrace(error, self.traceback))
        return self.invocation.end(
            errors.failure(details) if as_raised else failure, error, details
        )


class ResponsePosts:
    """Invocations between the end of the handler and the client's post, by request id.

    Args:
        send_end: sends END of an invocation, and what belongs before it.
        report: told of a failure of ours.
    """

    def __init__(
        self, send_end: Callable[[Invocation, bytes], None], report: Callable[[Exception], None]
    ) -> None:
        self._send_end = send_end
        self._report = report
        self._handled: dict[str, Handled] = {}
        self._client: ModuleType | None = None
        self._has_posted = False

    def watch_client(self) -> None:
        """Be told of the posts of the runtime client that runs this process, if it is known."""
        module = sys.modules.get("awslambdaric.lambda_runtime_client")
        if module is None or not watch_posts(module, self._end_posted):
            return
        self._client = sys.modules.get("awslambdaric.bootstrap")
        import atexit

        atexit.register(self._end_at_exit)

    def will_follow(self, invocation: Invocation) -> bool:
        """Whether the client is going to post a response of `invocation`."""
        if self._client is None or not invocation.request_id:
            return False
        return self._has_posted or _is_called_by(self._client)

    def await_post(
        self,
        invocation: Invocation,
        error: Exception | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """The handler of `invocation` is over; the post that follows ends it."""
        self._handled[invocation.request_id] = Handled(invocation, error, traceback)

    def _end_posted(
        self, request_id: object, document: object, post_error: BaseException | None
    ) -> None:
        self._has_posted = True
        handled = self._handled.pop(str(request_id), None)
        if handled is None:
            return
        failure, as_raised = None, False
        try:
            if document is not None:
                as_raised = is_document_of(handled.error, document)
                failure = None if as_raised else failure_in(document)
            elif post_error is not None:  # refused, or too large
                failure = errors.failure(errors.details(post_error, ""))
            end = handled.end_frames(failure, as_raised=as_raised)
            self._send_end(handled.invocation, end)
        except Exception as fault:  # telemetry is lost, the client's loop goes on
            self._report(fault)

    def end_unposted(self) -> None:
        """Another invocation begins in this thread, so that no post of an earlier one comes."""
        if self._handled:
            thread_id = get_ident()
            for request_id, handled in list(self._handled.items()):
                if handled.thread_id == thread_id:
                    del self._handled[request_id]
                    self._end_as_handled(handled)

    def _end_at_exit(self) -> None:
        """The process ends in between: an exception's ``__str__`` has raised in the client.

        A response that never reached its caller is told by START.
        """
        while self._handled:
            handled = self._handled.popitem()[1]
            if handled.error is not None:
                self._end_as_handled(handled)

    def _end_as_handled(self, handled: Handled) -> None:
        try:
            end = handled.end_frames(None, as_raised=handled.error is not None)
            self._send_end(handled.invocation, end)
        except Exception as fault:  # as above
            self._report(fault)

    def forget(self) -> None:
        """In a forked child: the parent ends its invocations."""
        self._handled.clear()


def is_document_of(error: Exception | None, document: object) -> bool:
    """Whether the error `document`, JSON text of the client's, is that of `error`.

    A document may be long; quotes in its texts are escaped.
    """
    if error is None:
        return False
    name = type(error).__name__
    if isinstance(document, str) and f'"errorType": "{name}"' in document:
        return True
    return failure_in(document)[0] in (name, _UNKNOWN)


def failure_in(document: object) -> tuple[str, str]:
    """``error.type`` and message of an error document, JSON text of the client's."""
    try:
        members = loads(document)  # type: ignore[arg-type] # else it raises
        kind, message = members.get("errorType"), members.get("errorMessage")
    except (TypeError, ValueError, AttributeError, RecursionError):
        return _UNKNOWN, ""
    return str(kind or _UNKNOWN), str(message or "")


def _is_called_by(client: ModuleType) -> bool:
    """Whether this is called from the loop of `client`, with an object whose posts are watched."""
    code = getattr(getattr(client, "handle_event_request", None), "__code__", None)
    frame = sys._getframe(1)
    for _ in range(_MOST_FRAMES):
        if frame.f_code is code:
            method = getattr(frame.f_locals.get("lambda_runtime_client"), _RESULT, None)
            return getattr(method, "is_watched", False) is True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


# Called after each post with the request id, the error document if it was one, and the exception
# that the post has raised. One for the process, whose client's classes are changed once.
_callbacks: list[Callable[[object, object, BaseException | None], None]] = []


def watch_posts(
    module: ModuleType, callback: Callable[[object, object, BaseException | None], None]
) -> bool:
    """Have `callback` called after each post of the clients in `module`; whether there are any."""
    _callbacks[:] = [callback]
    found = False
    for class_name in _CLIENTS:
        client = getattr(module, class_name, None)
        for name in (_RESULT, _ERROR):
            original = vars(client).get(name) if isinstance(client, type) else None
            if original is None:
                continue
            found = True
            if not hasattr(original, "is_watched"):
                setattr(client, name, _watched(original, is_error=name == _ERROR))
    return found


def _watched(original: Callable[..., object], *, is_error: bool) -> Callable[..., object]:
    def post(client: object, *arguments: object, **named: object) -> object:
        try:
            result = original(client, *arguments, **named)
        except BaseException as error:
            _call_back(arguments, named, error, is_error=is_error)
            if error.__traceback__ is not None:
                # Python 3.10 puts our frame back when the exception is raised again.
                BaseException.with_traceback(error, error.__traceback__.tb_next)
            raise
        _call_back(arguments, named, None, is_error=is_error)
        return result

    post.is_watched = True  # type: ignore[attr-defined] # read above
    return post


def _call_back(
    arguments: tuple[object, ...],
    named: dict[str, object],
    error: BaseException | None,
    *,
    is_error: bool,
) -> None:
    request_id = arguments[0] if arguments else named.get("invoke_id")
    document = None
    if is_error:
        document = arguments[1] if len(arguments) > 1 else named.get("error_response_data", "")
    for callback in _callbacks:
        callback(request_id, document, error)
