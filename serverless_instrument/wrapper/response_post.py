"""END after the runtime client's post of the response, which tells how the invocation ended.

The caller waits for the post and not for us; Lambda counts the time up to the client's next
``/next`` to the invocation, so that nothing is frozen in between
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). What is posted also decides the
outcome: the client posts an error for a result that it cannot encode.
"""

from __future__ import annotations

import sys

from serverless_instrument.wrapper.records import errors, is_ours, type_name
from serverless_instrument.wrapper.records.primitives import get_ident, json_loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    from serverless_instrument.wrapper.invocation.invocation import Invocation

    # What the handler has raised, its traceback without frames of ours, the handler's thread.
    Handled = tuple[Invocation, Exception | None, TracebackType | None, int]
    # Of an error document: ``error.type`` and message.
    Failure = tuple[str, str]

# In awslambdaric 2 and 3 the first class that has them is the second, in 4 it is the first.
_CLIENTS = ("BaseLambdaRuntimeClient", "LambdaRuntimeClient", "LambdaMultiConcurrentRuntimeClient")
_RESULT, _ERROR = "post_invocation_result", "post_invocation_error"
# The failure is what the handler has raised; else the conventions' value for what is not known.
AS_RAISED = ("_OTHER", "")
# The client calls a handler from its loop, under decorators of the function's.
_MOST_FRAMES = 100


class ResponsePosts:
    """Invocations between the end of the handler and the client's post.

    Args:
        send_end: sends END of an invocation, and what belongs before it.
        report: told of a failure of ours.

    Attributes:
        waiting: these invocations, by request id.
    """

    def __init__(
        self, send_end: Callable[[Invocation, bytes], None], report: Callable[[Exception], None]
    ) -> None:
        self._send_end = send_end
        self._report = report
        self.waiting: dict[str, Handled] = {}
        self._client: ModuleType | None = None
        self._has_posted = False

    def watch_client(self) -> None:
        """Be told of the posts of the runtime client that runs this process, if it is known."""
        module = sys.modules.get("awslambdaric.lambda_runtime_client")
        if module is not None and watch_posts(module, self._end_posted):
            self._client = sys.modules.get("awslambdaric.bootstrap")
            import atexit

            atexit.register(self._end_at_exit)

    def will_follow(self) -> bool:
        """Whether the client is going to post a response of the handler that is running."""
        return self._has_posted or (self._client is not None and _is_called_by(self._client))

    def await_post(
        self,
        invocation: Invocation,
        error: Exception | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """The handler of `invocation` is over; the post that follows ends it."""
        self.waiting[invocation.request_id] = (invocation, error, traceback, get_ident())

    def _end_posted(
        self, request_id: str, document: object, post_error: BaseException | None
    ) -> None:
        self._has_posted = True
        handled = self.waiting.pop(request_id, None)
        if handled is not None:
            self._end(handled, document, post_error)

    def _end(
        self, handled: Handled, document: object = None, post_error: BaseException | None = None
    ) -> None:
        """Send END of an invocation; see `_callbacks`."""
        invocation, error, traceback, _ = handled
        failure = details = None
        try:
            if document is not None:
                failure = failure_in(document, error)
            elif post_error is not None:  # refused, or too large
                failure = errors.failure(errors.details(post_error, ""))
            if error is not None:
                details = errors.details(error, errors.stacktrace(error, traceback))
                if failure is AS_RAISED:
                    failure = errors.failure(details)
            self._send_end(invocation, invocation.end(failure, error, details))
        except Exception as fault:  # telemetry is lost, the client's loop goes on
            if not is_ours(fault):
                raise
            self._report(fault)

    def end_unposted(self) -> None:
        """Another invocation begins in this thread, so that no post of an earlier one comes."""
        thread_id = get_ident()
        for request_id, handled in list(self.waiting.items()):
            if handled[3] == thread_id:
                del self.waiting[request_id]
                self._end(handled, None if handled[1] is None else b"")

    def _end_at_exit(self) -> None:
        """The process ends in between: an exception's ``__str__`` has raised in the client.

        A response that never reached its caller is told by START.
        """
        while self.waiting:
            handled = self.waiting.popitem()[1]
            if handled[1] is not None:
                self._end(handled, b"")


def failure_in(document: object, error: Exception | None) -> Failure:
    """``error.type`` and message of an error `document`, JSON text of the client's.

    `AS_RAISED` if it is that of `error`, or nobody can read it. It may be long, so that its type is
    looked for in the text first, in which quotes of a message are escaped.
    """
    name = "" if error is None else type_name(error)
    if name and isinstance(document, str) and f'"errorType": "{name}"' in document:
        return AS_RAISED
    try:
        members = json_loads(document)  # type: ignore[arg-type] # else it raises
        kind, message = members["errorType"], members.get("errorMessage")
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as fault:
        if not is_ours(fault):
            raise
        return AS_RAISED
    return AS_RAISED if kind == name else (str(kind), str(message or ""))


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


# Called after each post with the request id, the error document or None, and the exception that the
# post has raised or None. One for the process, whose client's classes are changed once.
_callbacks: list[Callable[[str, object, BaseException | None], None]] = []


def watch_posts(
    module: ModuleType, callback: Callable[[str, object, BaseException | None], None]
) -> bool:
    """Have `callback` called after each post of the clients in `module`; whether there are any."""
    _callbacks[:] = [callback]
    found = False
    for class_name in _CLIENTS:
        members = getattr(getattr(module, class_name, None), "__dict__", {})
        for name in (_RESULT, _ERROR):
            original = members.get(name)
            found = found or original is not None
            if original is not None and not hasattr(original, "is_watched"):
                setattr(
                    getattr(module, class_name), name, _watched(original, is_result=name == _RESULT)
                )
    return found


def _watched(original: Callable[..., object], *, is_result: bool) -> Callable[..., object]:
    def post(client: object, *arguments: object, **named: object) -> object:
        try:
            result = original(client, *arguments, **named)
        except BaseException as error:
            _tell(arguments, named, error, is_result=is_result)
            if error.__traceback__ is not None:
                # Python 3.10 puts our frame back when the exception is raised again.
                BaseException.with_traceback(error, error.__traceback__.tb_next)
            raise
        _tell(arguments, named, None, is_result=is_result)
        return result

    post.is_watched = True  # type: ignore[attr-defined] # read above
    return post


def _tell(
    arguments: tuple[object, ...],
    named: dict[str, object],
    error: BaseException | None,
    *,
    is_result: bool,
) -> None:
    request_id = arguments[0] if arguments else named.get("invoke_id")
    document = None
    if not is_result:
        document = arguments[1] if len(arguments) > 1 else named.get("error_response_data")
    _callbacks[0](str(request_id), document, error)
