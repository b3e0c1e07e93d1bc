"""From exec to the first /next, and every way in which the surroundings may be wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.forwarder import encoded
from tests.forwarder.running import MAIN, Forwarder, world
from tests.servers import extensions_api, raw_http

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

# An endpoint that nothing is sent to: of a shutdown, metrics would tell.
UNHEARD = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_METRICS_EXPORTER": "none"}
NO_ENDPOINT = "serverless-instrument: no OTLP endpoint: telemetry is discarded; "
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed")


def test_it_registers_by_its_name_for_both_events(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        (request,) = parts.api.registered
        assert request.headers["lambda-extension-name"] == "serverless-instrument"
        assert request.headers["lambda-extension-accept-feature"] == "accountId"
        assert request.headers["content-type"] == "application/json"
        assert json.loads(request.body) == {"events": ["INVOKE", "SHUTDOWN"]}
        (asked,) = parts.api.nexts
        assert asked.headers["lambda-extension-identifier"] == extensions_api.IDENTIFIER
        assert parts.forwarder.lines() == []
        parts.shut_down()
        assert parts.forwarder.lines() == []


def test_managed_instances_are_asked_for_shutdown_only(tmp_path: Path) -> None:
    environ = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}
    with world(tmp_path, environ=environ) as parts:
        assert json.loads(parts.api.registered[0].body) == {"events": ["SHUTDOWN"]}
        parts.runtime.send(encoded.start("a", "one"), encoded.end("a", "one"))
        parts.backend.wait_for(1)
        parts.runtime.send(encoded.start("b", "two"), encoded.end("b", "two"))
        parts.backend.wait_for(2)
        assert parts.backend.names() == ["one", "two"]
        parts.shut_down()
        assert len(parts.api.nexts) == 1


def test_the_socket_can_be_connected_to_when_register_arrives(tmp_path: Path) -> None:
    path = tmp_path / "run" / "forwarder.sock"
    modes: list[int] = []

    def look() -> None:
        modes.extend(stat.S_IMODE(place.stat().st_mode) for place in (path.parent, path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as early:
            early.connect(str(path))
            early.sendall(encoded.hello() + encoded.end("early", "early"))

    with extensions_api.serving() as api:
        api.on_register = look
        with Forwarder(tmp_path, api.address, {}) as forwarder:
            api.wait_for_next(1)
            assert modes == [0o700, 0o600]
            assert len(forwarder.lines()) == 1


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.forwarder.process.kill()
        parts.forwarder.process.wait()
        assert parts.forwarder.socket_path.exists()
    with world(tmp_path) as parts:
        parts.invoke("again")
        assert parts.backend.names() == ["again"]


def loose(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o755)


def somebody_elses(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    os.chown(directory, 65534, 65534)


def a_file(directory: Path) -> None:
    directory.touch(0o700)


def a_link(directory: Path) -> None:
    target = directory.with_name("target")
    target.mkdir(mode=0o700)
    directory.symlink_to(target)


def occupied(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    (directory / "forwarder.sock").mkdir()


@pytest.mark.parametrize(
    "prepare", [loose, pytest.param(somebody_elses, marks=as_root), a_file, a_link, occupied]
)
def test_a_place_of_no_use_is_one_line_and_next_is_answered(
    tmp_path: Path, prepare: object
) -> None:
    assert callable(prepare)
    prepare(tmp_path / "run")
    with (
        extensions_api.serving() as api,
        Forwarder(tmp_path, api.address, UNHEARD) as forwarder,
    ):
        api.wait_for_next(1)
        for count in range(2, 5):
            api.invoke(f"request-{count}")
            api.wait_for_next(count)
        api.shut_down()
        assert forwarder.exit_status() == 0
        (line,) = forwarder.lines()
        assert line.startswith("serverless-instrument: nothing is received: ")
        assert str(tmp_path / "run") in line
        assert "SERVERLESS_INSTRUMENT_SOCKET" in line


@pytest.fixture
def passable() -> Iterator[Path]:
    """A directory that other users may pass through; pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


# The interpreter may stand where the other user cannot read: it becomes that user afterwards.
CONNECT_AS_ANOTHER = """\
import os, socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(30)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
client.connect(sys.argv[1])
sys.exit(0 if client.recv(1) == b"" else "something was said")
"""


@as_root
def test_a_process_of_another_user_is_not_let_in(passable: Path) -> None:
    with world(passable) as parts:
        path = parts.forwarder.socket_path
        path.parent.chmod(0o711)
        path.chmod(0o666)
        subprocess.run([sys.executable, "-c", CONNECT_AS_ANOTHER, path], check=True, timeout=60)
        parts.invoke("ours")
        assert parts.backend.names() == ["ours"]


@pytest.mark.parametrize(
    "registration",
    [
        extensions_api.refusal("Extension.InvalidExtensionState"),
        raw_http.answer(500, {"errorType": "Extension.Internal"}),
        raw_http.answer(200, {"no": "identifier"}),
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    ],
)
def test_register_refused_is_one_line_and_it_lives_on(tmp_path: Path, registration: bytes) -> None:
    with extensions_api.serving() as api:
        api.registration = registration
        api.on_register = lambda: None
        with Forwarder(tmp_path, api.address, {"OTEL_TRACES_EXPORTER": "none"}) as forwarder:
            api.wait(lambda: len(api.registered) == 1, "register")
            if registration.endswith(b"10\r\n\r\n"):
                api.close_connections()
            forwarder.wait_for_line("register")
            check_it_lives_without_an_api(forwarder)
            assert len([line for line in forwarder.lines() if "register" in line]) == 1
            assert api.nexts == []


def test_no_api_is_one_line_and_it_lives_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with Forwarder(tmp_path, address, {}) as forwarder:
        assert "refused" in forwarder.wait_for_line("register failed")
        check_it_lives_without_an_api(forwarder)


def check_it_lives_without_an_api(forwarder: Forwarder) -> None:
    runtime = forwarder.connect(encoded.end("a"))
    runtime.send(b"garbage!")
    assert runtime.ended_by_the_forwarder()
    assert forwarder.process.poll() is None
    forwarder.process.terminate()
    assert forwarder.exit_status() == 0


def test_started_outside_lambda_it_says_so_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(MAIN)],
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "AWS_LAMBDA_RUNTIME_API is not set" in line
    assert "serverless-instrument run" in line


def test_no_endpoint_is_one_warning_and_next_does_not_wait(tmp_path: Path) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    with world(tmp_path, environ=environ) as parts:
        parts.invoke("discarded")
        parts.shut_down()
        (line,) = parts.forwarder.lines()
        assert line.startswith(NO_ENDPOINT)
        assert parts.backend.connections == 0


@pytest.mark.parametrize(
    "environ",
    [
        {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS", "METRICS")},
        {"OTEL_SDK_DISABLED": "TRUE", "OTEL_METRICS_EXPORTER": "otlp"},
    ],
)
def test_everything_off_is_silent(tmp_path: Path, environ: dict[str, str]) -> None:
    with world(tmp_path, environ=environ) as parts:
        parts.invoke("discarded")
        parts.shut_down()
        assert parts.forwarder.lines() == []
        assert parts.backend.connections == 0


def test_variables_that_are_not_text_do_no_harm(tmp_path: Path) -> None:
    with world(tmp_path, environ={"A\udcff": "\udcfe", "OTEL_TRACES_EXPORTER": "\udcff"}) as parts:
        parts.invoke("span")
        assert parts.backend.names() == ["span"]


def test_an_unknown_setting_is_one_line_after_the_first_next(tmp_path: Path) -> None:
    with world(tmp_path, environ={"SERVERLESS_INSTRUMENT_FLUHS": "end"}) as parts:
        parts.invoke("span")
        parts.shut_down()
        assert parts.backend.names() == ["span"]
        (line,) = parts.forwarder.lines()
        assert line == (
            "serverless-instrument: SERVERLESS_INSTRUMENT_FLUHS is not a known setting: "
            "did you mean SERVERLESS_INSTRUMENT_FLUSH?"
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sends_what_was_received_and_ends_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    with world(tmp_path) as parts:
        parts.invoke("before")
        parts.runtime.send(encoded.start("a", "open"), encoded.logs(["line"]))
        parts.forwarder.process.send_signal(number)
        assert parts.forwarder.exit_status() == 0
        assert parts.backend.names() == ["before", "open"]
        assert parts.backend.names("logs") == ["line"]
        assert parts.forwarder.lines() == []
