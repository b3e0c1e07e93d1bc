"""A bounded HTTP listener, and clients of every kind at once."""

from __future__ import annotations

import contextlib
import resource
import socket
from select import POLLIN, poll
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.forwarder.http1_listener import Http1Listener
from serverless_instrument.forwarder.http1_server import refusal_status, response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.forwarder.http1 import BadMessageError
    from serverless_instrument.forwarder.http1_server import RequestParser

LIMIT = 3
POST = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
OK = response(200, keep_alive=True)


class Serving:
    """A listener with its loop; what it has read."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.poller = poll()
        self.bodies: list[bytes] = []
        self.clients = contextlib.ExitStack()
        self.listener = Http1Listener(
            self.server,
            self.poller,
            self._respond,
            self._refuse,
            limit=LIMIT,
            read_per_turn_bytes=1024 * 1024,
        )

    def _respond(self, parser: RequestParser) -> bytes:
        self.bodies.append(bytes(parser.body))
        return response(200, keep_alive=parser.keep_alive)

    def _refuse(self, error: BadMessageError, parser: RequestParser) -> bytes:
        assert not parser.complete
        return response(refusal_status(error), keep_alive=False)

    def turn(self) -> None:
        """As long as anything is ready."""
        while ready := {descriptor for descriptor, _ in self.poller.poll(0)}:
            self.listener.receive(ready)

    def client(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(self.server.getsockname(), timeout=30)
        self.clients.enter_context(client)
        client.sendall(sent)
        self.turn()
        return client

    def ask(self, client: socket.socket, sent: bytes) -> bytes:
        client.sendall(sent)
        self.turn()
        return client.recv(65536)


@pytest.fixture
def serving() -> Iterator[Serving]:
    one = Serving()
    yield one
    one.clients.close()
    one.listener.close()


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_a_connection_carries_one_request_after_the_other(serving: Serving) -> None:
    client = serving.client()
    for _ in range(2):
        assert serving.ask(client, POST) == OK
    assert serving.ask(client, POST + POST) == OK + OK
    assert serving.bodies == [b"body"] * 4


def test_beyond_the_limit_the_longest_idle_one_closes(serving: Serving) -> None:
    busy = serving.client(POST[:-1])
    first, second = serving.client(), serving.client()
    assert serving.ask(first, POST) == OK  # so that `second` has been silent for longer
    third = serving.client()
    assert [is_closed(each) for each in (busy, first, second, third)] == [False, False, True, False]
    busy.setblocking(True)
    assert serving.ask(busy, POST[-1:]) == OK


def test_where_all_are_busy_the_longest_silent_one_closes(serving: Serving) -> None:
    busy = [serving.client(POST[:-2]) for _ in range(LIMIT)]
    busy[0].sendall(POST[-2:-1])
    serving.turn()
    assert serving.ask(serving.client(), POST) == OK
    assert [is_closed(each) for each in busy] == [False, True, False]


def test_what_waits_in_the_backlog_is_read_before_it_gives_way(serving: Serving) -> None:
    clients = []
    for _ in range(3 * LIMIT):
        client = socket.create_connection(serving.server.getsockname(), timeout=30)
        serving.clients.enter_context(client)
        client.sendall(POST)
        clients.append(client)
    serving.turn()
    assert [client.recv(65536) for client in clients] == [OK] * len(clients)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\0\xff\r\n\r\n" + bytes(100_000), b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n" + bytes(5_000_000), b"413"),
    ],
)
def test_a_refusal_arrives_although_the_peer_goes_on_sending(
    serving: Serving, sent: bytes, status: bytes
) -> None:
    client = serving.client()
    client.setblocking(False)
    rest = memoryview(sent)
    while rest:
        with contextlib.suppress(BlockingIOError):
            rest = rest[client.send(rest) :]
        serving.turn()
    answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert client.recv(1) == b""  # only our side is closed
    client.shutdown(socket.SHUT_WR)
    serving.turn()
    assert serving.bodies == []


def test_a_client_that_waits_to_be_told_to_go_on(serving: Serving) -> None:
    client = serving.client()
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    assert serving.ask(client, head) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert serving.ask(client, b"body") == OK


def test_without_a_descriptor_peers_wait(serving: Serving) -> None:
    client = socket.create_connection(serving.server.getsockname(), timeout=30)
    serving.clients.enter_context(client)
    client.sendall(POST)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        serving.listener.receive({serving.server.fileno()})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Nothing wakes the loop meanwhile.
    assert serving.poller.poll(0) == []
    serving.listener.receive(set())
    assert serving.poller.poll(0) == [(serving.server.fileno(), POLLIN)]
    serving.turn()
    assert client.recv(65536) == OK


def test_the_last_reading_takes_what_has_come(serving: Serving) -> None:
    client = serving.client()
    client.sendall(POST)
    late = socket.create_connection(serving.server.getsockname(), timeout=30)
    serving.clients.enter_context(late)
    late.sendall(POST)
    serving.listener.receive_last()
    assert serving.bodies == [b"body", b"body"]
