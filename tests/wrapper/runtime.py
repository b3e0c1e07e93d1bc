"""The runtime client's own loader and invocation loop, in this process, without a Runtime API."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import awslambdaric.bootstrap as client
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

from serverless_instrument.wrapper import bootstrap, instrumentation
from serverless_instrument.wrapper.on_import import OnImport
from tests.wrapper.invocations import ARN, REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Handler = Callable[[object, object], object]

OURS = "serverless_instrument.wrapper.bootstrap.handler"


class Api:
    """What the client would have posted; the end-to-end tests have the real Runtime API."""

    def __init__(self) -> None:
        self.marshaller = LambdaMarshaller()
        self.posted: Any = None

    def post_invocation_result(self, _request_id: str, result: str, *_: object) -> None:
        self.posted = json.loads(result)

    def post_invocation_error(self, _request_id: str, document: str, *_: object) -> None:
        self.posted = json.loads(document)

    def post_init_error(self, document: object, *_: object) -> None:
        self.posted = document


class Function:
    """A function's code on sys.path, loaded with us and without, anew each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path, socket_path: str) -> None:
        self._monkeypatch = monkeypatch
        self._directory = directory
        monkeypatch.syspath_prepend(directory)
        monkeypatch.setattr(client, "extract_traceback", client.extract_traceback)
        monkeypatch.setenv("SERVERLESS_INSTRUMENT_SOCKET", socket_path)
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
        # This process's streams and loggers are the tests'; a process of its own has tests of logs.
        monkeypatch.setenv("SERVERLESS_INSTRUMENT_LOGS", "off")
        monkeypatch.delitem(vars(bootstrap), "handler", raising=False)
        self._made: list[instrumentation.Instrumentation] = []
        original = bootstrap.instrument

        def instrument(handler: Handler, made: instrumentation.Instrumentation) -> Handler:
            self._made.append(made)
            return original(handler, made)

        monkeypatch.setattr(bootstrap, "instrument", instrument)

    def close(self) -> None:
        """Close the connections that loading has made."""
        for made in self._made:
            made._channel._disconnect()

    def write(self, code: str, module: str = "function") -> None:
        path = self._directory / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)

    def load(self, name: str = "function.handler") -> Callable[[object, object], object]:
        """The instrumented handler, by the client's own loader."""
        self._forget(name, instrumented=True)
        loaded: Callable[[object, object], object] = client._get_handler(OURS)
        return loaded

    def load_bare(self, name: str = "function.handler") -> Callable[[object, object], object]:
        self._forget(name, instrumented=False)
        loaded: Callable[[object, object], object] = client._get_handler(name)
        return loaded

    def run(self, name: str = "function.handler", *, instrumented: bool) -> Any:
        """Error document of a function that does not come up, as the client posts it."""
        self._forget(name, instrumented=instrumented)
        api, streams = Api(), (sys.stdout, sys.stderr)
        try:
            client.run(OURS if instrumented else name, api)
        except SystemExit:
            return api.posted
        finally:
            sys.stdout, sys.stderr = streams
        raise AssertionError("the function came up")

    def _forget(self, name: str, *, instrumented: bool) -> None:
        module = name.rpartition(".")[0].replace("/", ".")
        self._monkeypatch.delitem(sys.modules, module, raising=False)
        vars(bootstrap).pop("handler", None)
        # As in a new process: the instrumentation of an earlier one speaks to another socket.
        instrumentation._shared.clear()
        # And one without OpenTelemetry, which other tests have loaded into this one.
        self._monkeypatch.setattr(OnImport, "install", lambda _: None)
        self._monkeypatch.setenv("_HANDLER", OURS if instrumented else name)
        if instrumented:
            self._monkeypatch.setenv("SERVERLESS_INSTRUMENT_HANDLER", name)


def invoke(handler: object, event: object = None) -> Any:
    """What the client posts for an invocation: the decoded result, or the error document."""
    api = Api()
    invoke_with(api, handler, event)
    return api.posted


def invoke_with(
    api: object, handler: object, event: object = None, request_id: str = REQUEST_ID
) -> None:
    """One turn of the client's loop, which posts with `api`."""
    deadline_unix_ms = int(time.time() * 1000) + 3000
    client.handle_event_request(
        api,
        handler,
        request_id,
        json.dumps(event),
        "application/json",
        None,
        None,
        ARN,
        deadline_unix_ms,
        None,
        client.StandardLogSink(),
    )
