from __future__ import annotations

import ctypes
import functools
import json
import queue
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.wrapper.records import guards, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LateError(Exception):
    pass


class ToldError(Exception):
    def __init__(self) -> None:
        super().__init__("time is up")


def caught(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.fixture
def alarm() -> Iterator[Callable[[Any], None]]:
    """Sets a handler, and raises its signal here."""
    previous = signal.getsignal(signal.SIGUSR1)

    def ring(handler: Any) -> None:
        signal.signal(signal.SIGUSR1, handler)
        signal.raise_signal(signal.SIGUSR1)

    yield ring
    signal.signal(signal.SIGUSR1, previous)


no_items: dict[str, int] = {}


class Unwilling:
    def __str__(self) -> str:
        raise LateError("no text")


OURS: dict[str, Callable[[], object]] = {
    "an object": lambda: str(Unwilling()),
    "a key": lambda: no_items["key"],
    "an attribute": lambda: object().missing,  # type: ignore[attr-defined] # as meant
    "an assertion": lambda: _assert(given=False),
    "a system call": lambda: open("/nowhere/at/all"),  # noqa: SIM115 - raises
    "a path": lambda: socket.socket(socket.AF_UNIX).connect("x" * 200),
    "an iterator": lambda: next(iter(())),
    "text": b"\xff".decode,
    "json": lambda: json.loads("{"),
    "an import": lambda: __import__("no_such_module"),
    "memory": lambda: bytearray(sys.maxsize),
    "a class of its own": lambda: _raise(ToldError()),
    "without arguments": lambda: _raise(TimeoutError()),
}


def _assert(*, given: bool) -> None:
    assert given


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", OURS)
def test_what_our_code_or_an_object_that_it_calls_raises_is_ours(name: str) -> None:
    assert guards.is_ours(caught(OURS[name]))


def late(*_: object) -> None:
    raise LateError("time is up")


class Watchdog:
    def ring(self, *_: object) -> None:
        self.deeper()

    def deeper(self) -> None:
        raise TimeoutError("time is up")

    def __call__(self, *_: object) -> None:
        raise MemoryError


def forgetful(number: int, frame: object) -> None:
    del number, frame
    raise LateError


def once(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise LateError


@pytest.mark.parametrize(
    "handler",
    [
        late,
        forgetful,
        once,
        Watchdog().ring,
        Watchdog(),
        functools.partial(late),
        lambda *_: no_items["key"],
    ],
)
def test_what_a_signal_handler_raises_is_not(handler: Any, alarm: Callable[[Any], None]) -> None:
    assert not guards.is_ours(caught(lambda: alarm(handler)))


def test_what_a_signal_handler_raises_in_an_object_is_not(alarm: Callable[[Any], None]) -> None:
    class Slow:
        def __str__(self) -> str:
            alarm(late)
            return "late"

    assert not guards.is_ours(caught(lambda: str(Slow())))


@pytest.mark.parametrize("kind", [LateError, ToldError, TimeoutError, OSError, ValueError])
def test_what_another_thread_sets_is_not(kind: type[Exception]) -> None:
    def work() -> None:
        try:
            ready.set()
            while True:
                len("")
        except Exception as error:
            found.put(guards.is_ours(error))

    found: queue.Queue[bool] = queue.Queue()
    ready = threading.Event()
    worker = threading.Thread(target=work)
    worker.start()
    ready.wait()
    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception(ctypes.c_ulong(worker.ident or 0), ctypes.py_object(kind))
    assert not found.get(timeout=20)
    worker.join()


def test_what_a_trace_function_raises_is_not() -> None:
    def trace(_frame: object, _event: str, _argument: object) -> None:
        sys.settrace(before)
        raise LateError

    def traced() -> None:
        return

    def call() -> None:
        sys.settrace(trace)
        traced()

    before = sys.gettrace()
    try:
        assert not guards.is_ours(caught(call))
    finally:
        sys.settrace(before)


def test_a_metaclass_that_raises_when_asked_for_a_name() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise ValueError(name)

    class Odd(metaclass=Meta):
        pass

    assert type_name(Odd()) == "Odd"
