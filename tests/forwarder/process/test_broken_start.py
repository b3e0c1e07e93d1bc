"""A forwarder that lacks a module: it registers, says one line and asks for /next."""

from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from tests.forwarder import encoded
from tests.forwarder.running import MAIN, Forwarder
from tests.servers import extensions_api, raw_http
from tests.servers.extensions_api import IDENTIFIER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

PACKAGE = MAIN.parent.parent
MODULES = sorted(
    str(file.relative_to(PACKAGE))
    for file in (*PACKAGE.glob("*.py"), *(PACKAGE / "forwarder").rglob("*.py"))
    if file.name not in ("__main__.py", "cli.py", "api.py")
)
# Loaded before the first /next has been asked for, and between that and the first event.
EARLY = [
    "__init__.py",
    "wire.py",
    "bundles.py",
    "forwarder/__init__.py",
    "forwarder/http1.py",
    "forwarder/runtime_socket.py",
    "forwarder/extensions_api.py",
    "forwarder/main.py",
    "forwarder/diagnostics.py",
    "forwarder/event_loop/lifecycle.py",
    "forwarder/delivery/delivery.py",
]
LATE = ["forwarder/processing.py", "forwarder/intake.py", "forwarder/codec/json_text.py"]
ENVIRON = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRICS_EXPORTER": "none"}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the forwarder consists of."""
    copy = tmp_path_factory.mktemp("copy") / "serverless_instrument"
    ignored = shutil.ignore_patterns("wrapper", "local", "__pycache__")
    shutil.copytree(PACKAGE, copy, ignore=ignored)
    return copy


@pytest.fixture
def broken(copied: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """``__main__.py`` of the copy, in which a module is the text that the test gives."""
    module, text = request.param
    original = (copied / module).read_text()
    (copied / module).write_text(text)
    yield copied / "forwarder" / "__main__.py"
    (copied / module).write_text(original)


def live_and_end(directory: Path, main: Path, environ: dict[str, str] = ENVIRON) -> list[str]:
    """Three invocations and SHUTDOWN; the lines said."""
    with (
        extensions_api.serving() as api,
        Forwarder(directory, api.address, environ, main=main) as forwarder,
    ):
        for count in range(1, 4):
            assert api.wait_for_next(count).headers["lambda-extension-identifier"] == IDENTIFIER
            api.invoke(f"request-{count}")
        api.wait_for_next(4)
        api.shut_down()
        assert forwarder.exit_status() == 0
        assert len(api.registered) == 1
        return forwarder.lines()


@pytest.mark.parametrize(
    "broken",
    [
        (module, f"raise {kind}('broken')")
        for module in [*EARLY, *LATE]
        for kind in ("ImportError", "RuntimeError")
    ],
    indirect=True,
)
def test_without_a_module_that_the_start_needs(tmp_path: Path, broken: Path) -> None:
    (line,) = live_and_end(tmp_path, broken)
    assert line.startswith("serverless-instrument: no telemetry, the forwarder cannot start: ")
    assert line.endswith("Error: broken")


@pytest.mark.parametrize(
    "broken",
    [
        (module, "raise ImportError('broken')")
        for module in MODULES
        if module not in [*EARLY, *LATE, "forwarder/bare_next.py"]
    ],
    indirect=True,
)
def test_without_any_other_module(tmp_path: Path, broken: Path) -> None:
    for line in live_and_end(tmp_path, broken):
        assert line.startswith("serverless-instrument: ")


@pytest.mark.parametrize(
    "broken",
    [
        ("forwarder/main.py", "def run(*_): raise OSError(5, 'set up')"),
        ("forwarder/main.py", "this is no Python"),
        ("forwarder/runtime_socket.py", "def listen(*_): raise ValueError('set up')"),
    ],
    indirect=True,
)
def test_a_failure_of_the_set_up(tmp_path: Path, broken: Path) -> None:
    (line,) = live_and_end(tmp_path, broken)
    assert "cannot start" in line


@pytest.mark.parametrize(
    "broken", [("forwarder/main.py", "def run(*_): raise ValueError('set up')")], indirect=True
)
def test_a_runtime_is_not_kept_waiting(tmp_path: Path, broken: Path) -> None:
    with (
        extensions_api.serving() as api,
        Forwarder(tmp_path, api.address, ENVIRON, main=broken) as forwarder,
    ):
        api.wait_for_next(1)
        with socket.socket(socket.AF_UNIX) as runtime, pytest.raises(ConnectionRefusedError):
            runtime.connect(str(forwarder.socket_path))


@pytest.mark.parametrize(
    "broken", [("forwarder/http1.py", "raise ImportError('broken')")], indirect=True
)
def test_the_bare_loop_outlives_bad_answers(tmp_path: Path, broken: Path) -> None:
    refused = raw_http.answer(500, {"errorType": "Extension.Internal"})
    with extensions_api.serving() as api:
        api.registration = refused
        api.on_register = lambda: recover(api, after=2)
        with Forwarder(tmp_path, api.address, ENVIRON, main=broken) as forwarder:
            api.say(refused)
            api.say(None)
            chunks = b"2\r\n{}\r\n0\r\n\r\n"
            api.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks)
            api.wait_for_next(4)
            api.shut_down()
            assert forwarder.exit_status() == 0
            assert len(forwarder.lines()) == 1


def recover(api: extensions_api.ExtensionsApi, after: int) -> None:
    """Have the API take registrations once it has refused `after`, which count for nothing."""
    if len(api.registered) >= after:
        api.registration = b""
        api.registered.clear()


@pytest.mark.parametrize(
    "refusal",
    [
        raw_http.answer(500, {"errorType": "Extension.Internal"}),
        raw_http.answer(429, {"errorType": "Extension.TooMany"}),
    ],
)
def test_register_is_tried_again_where_that_may_help(tmp_path: Path, refusal: bytes) -> None:
    with extensions_api.serving() as api:
        api.registration = refusal
        api.on_register = lambda: recover(api, after=1)
        with Forwarder(tmp_path, api.address, ENVIRON) as forwarder:
            api.wait_for_next(1)
            assert api.registration == b""
            runtime = forwarder.connect(encoded.start("a"))
            api.shut_down()
            assert forwarder.exit_status() == 0
            assert runtime.ended_by_the_forwarder()
            assert not [line for line in forwarder.lines() if "register" in line]
