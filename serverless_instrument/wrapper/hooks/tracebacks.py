"""Exceptions leave an instrumented call with the traceback that they have without it.

An instrumentation puts a function of its own around a library's, which adds its frames and wrapt's
to the middle of every stack trace. They are taken out where the exception leaves the call, so that
it does not matter who catches, keeps, chains or raises it later. Python 3.10 restores the traceback
from before, so there one frame of ours stays until the handler raises (`bootstrap`).
"""

from __future__ import annotations

import sys
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# Packages whose frames stand between the caller and the library.
_BETWEEN = frozenset(("opentelemetry", "serverless_instrument", "wrapt"))
# {name of an instrumentation: (module, class, method) that it wraps}
_PLACES = {
    "aiobotocore": (("aiobotocore.client", "AioBaseClient", "_make_api_call"),),
    "aiohttp_client": (("aiohttp", "ClientSession", "__init__"),),
    "botocore": (
        ("botocore.client", "BaseClient", "_make_api_call"),
        ("botocore.endpoint", "Endpoint", "prepare_request"),
    ),
    "httpx": (
        ("httpx", "HTTPTransport", "handle_request"),
        ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ),
    "requests": (("requests", "Session", "send"),),
    "urllib": (("urllib.request", "OpenerDirector", "open"),),
    "urllib3": (("urllib3.connectionpool", "HTTPConnectionPool", "urlopen"),),
}


def leave_no_frames(error: BaseException) -> None:
    """Take the frames that stand before the library's out of the traceback of `error`.

    There may be no others: a call with wrong arguments fails in the caller's frame.
    """
    traceback = error.__traceback__
    while traceback is not None and _is_between(traceback):
        traceback = traceback.tb_next
    if sys.version_info < (3, 11) and error.__traceback__ is not None:
        error.__traceback__.tb_next = traceback
        return
    # The base class's method: a user's class may define another of that name.
    BaseException.with_traceback(error, traceback)


def _is_between(traceback: TracebackType) -> bool:
    name = traceback.tb_frame.f_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] in _BETWEEN


def tidy_tracebacks(name: str) -> None:
    """Tidy the exceptions of what the instrumentation `name`, which is switched on, has wrapped."""
    classes: dict[bool, Any] = {}
    for module_name, class_name, method in _PLACES.get(name, ()):
        owner: Any = getattr(sys.modules.get(module_name), class_name, None)
        wrapper: Any = getattr(owner, "__dict__", {}).get(method)
        # The instrumentation is switched off by putting back what it finds there as the original.
        original = getattr(wrapper, "__wrapped__", None)
        if original is None:
            continue
        tidy: Any
        if hasattr(wrapper, "_self_wrapper"):
            is_async = iscoroutinefunction(original)
            if is_async not in classes:
                classes[is_async] = _async_class() if is_async else _sync_class()
            tidy = classes[is_async](original, wrapper._self_wrapper)
        else:
            tidy = _tidy_function(wrapper)
            tidy.__wrapped__ = original
        setattr(owner, method, tidy)


def _tidy_function(function: Callable[..., object]) -> Callable[..., object]:
    @wraps(function)
    def tidy(*arguments: Any, **options: Any) -> object:
        try:
            return function(*arguments, **options)
        except BaseException as error:
            leave_no_frames(error)
            raise

    return tidy


def _sync_class() -> Any:
    """A class of wrapt's function wrappers whose exceptions are tidied."""
    from wrapt import BoundFunctionWrapper, FunctionWrapper

    class TidyBound(BoundFunctionWrapper):  # type: ignore[misc, type-arg, no-any-unimported, unused-ignore] # wrapt may be untyped
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            try:
                return super().__call__(*arguments, **options)
            except BaseException as error:
                leave_no_frames(error)
                raise

    class Tidy(FunctionWrapper):  # type: ignore[misc, type-arg, no-any-unimported, unused-ignore] # as above
        __bound_function_wrapper__ = TidyBound

    return Tidy


def _async_class() -> Any:
    """The same for coroutine functions."""
    from wrapt import BoundFunctionWrapper, FunctionWrapper

    class TidyBound(BoundFunctionWrapper):  # type: ignore[misc, type-arg, no-any-unimported, unused-ignore] # as above
        async def __call__(self, *arguments: Any, **options: Any) -> Any:
            try:
                return await super().__call__(*arguments, **options)
            except BaseException as error:
                leave_no_frames(error)
                raise

    class Tidy(FunctionWrapper):  # type: ignore[misc, type-arg, no-any-unimported, unused-ignore] # as above
        __bound_function_wrapper__ = TidyBound

    return Tidy
