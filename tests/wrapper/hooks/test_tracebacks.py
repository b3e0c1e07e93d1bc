"""Exceptions leave instrumented calls with the library's frames only."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
import wrapt

from serverless_instrument.wrapper.hooks import tracebacks

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python 3.10 keeps one frame until the handler raises"
)
BETWEEN = {"__name__": "opentelemetry.instrumentation.example"}
exec(
    "def instrumented(wrapped, instance, args, kwargs):\n"
    "    return wrapped(*args, **kwargs)\n"
    "async def instrumented_async(wrapped, instance, args, kwargs):\n"
    "    return await wrapped(*args, **kwargs)\n"
    "def replaced(original):\n"
    "    from functools import wraps\n"
    "    @wraps(original)\n"
    "    def call(*args):\n"
    "        return original(*args)\n"
    "    return call\n",
    BETWEEN,
)


class Client:
    def call(self, error: Exception | None = None) -> str:
        if error is not None:
            raise error
        return "done"

    async def call_async(self, error: Exception | None = None) -> str:
        await asyncio.sleep(0)
        return self.call(error)

    def replaced(self, error: Exception | None = None) -> str:
        return self.call(error)


METHODS = ("call", "call_async", "replaced")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("client_library")
    module.Client = type("Client", (), {name: vars(Client)[name] for name in METHODS})
    monkeypatch.setitem(sys.modules, "client_library", module)
    places = tuple(("client_library", "Client", name) for name in METHODS)
    monkeypatch.setitem(tracebacks._PLACES, "example", places)
    for name, wrapper in (("call", "instrumented"), ("call_async", "instrumented_async")):
        wrapt.wrap_function_wrapper(module, f"Client.{name}", BETWEEN[wrapper])  # type: ignore[arg-type] # made above
    module.Client.replaced = BETWEEN["replaced"](module.Client.replaced)  # type: ignore[operator] # as above
    tracebacks.tidy_tracebacks("example")
    return module.Client


def frames(error: BaseException) -> list[str]:
    traceback, names = error.__traceback__, []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    return names


def test_results_are_the_librarys(client: Any) -> None:
    assert client().call() == client().replaced() == asyncio.run(client().call_async()) == "done"


def test_frames_between_are_gone_and_chains_stay(client: Any) -> None:
    cause, error = KeyError("cause"), ValueError("error")
    error.__cause__ = cause
    with pytest.raises(ValueError, match="error") as caught:
        client().replaced(error)
    name = "test_frames_between_are_gone_and_chains_stay"
    assert frames(caught.value) == [name, "replaced", "call"]
    assert caught.value.__cause__ is cause
    with pytest.raises(ValueError, match="error") as again:
        raise caught.value
    assert frames(again.value)[-3:] == [name, "replaced", "call"]


def test_awaited_calls_too(client: Any) -> None:
    async def handler() -> None:
        await client().call_async(ValueError("error"))

    with pytest.raises(ValueError, match="error") as caught:
        asyncio.run(handler())
    assert frames(caught.value)[-3:] == ["handler", "call_async", "call"]


def test_a_call_with_wrong_arguments_fails_where_it_is_made(client: Any) -> None:
    with pytest.raises(TypeError) as caught:
        client().call(1, 2, 3)
    assert frames(caught.value) == ["test_a_call_with_wrong_arguments_fails_where_it_is_made"]


def test_switching_off_finds_the_original(client: Any) -> None:
    for name in METHODS:
        wrapper = vars(client)[name]
        assert wrapper.__wrapped__ is vars(Client)[name]
    assert isinstance(vars(client)["call"], wrapt.FunctionWrapper)
