"""A descriptor is used only as long as it is ours."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from serverless_instrument import wire
from serverless_instrument.wrapper.channel import Channel
from serverless_instrument.wrapper.deadline import DeadlineWatch
from serverless_instrument.wrapper.own_descriptor import NotOursError, OwnSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.wrapper.peer import Peer

HELLO = (wire.HELLO, b"hello")
TIMEOUT_S = 20


class Taken:
    """A file or socket of the function's that has taken the place of a descriptor."""

    def __init__(self, kind: str, descriptor: int, directory: Path) -> None:
        self.peer: socket.socket | None = None
        self.path = directory / "taken"
        if kind == "closed":
            os.close(descriptor)
            return
        if kind == "file":
            source = os.open(self.path, os.O_RDWR | os.O_CREAT)
        else:
            kinds = {"stream": socket.SOCK_STREAM, "datagrams": socket.SOCK_DGRAM}
            mine, self.peer = socket.socketpair(socket.AF_UNIX, kinds[kind])
            self.peer.setblocking(False)
            source = mine.detach()
        os.dup2(source, descriptor)  # closes what was there
        os.close(source)
        self.descriptor = descriptor

    def assert_untouched(self) -> None:
        """Nothing has come to it, it is open, and blocks as it did."""
        if self.peer is not None:
            with pytest.raises(BlockingIOError):
                self.peer.recv(100)
            assert os.get_blocking(self.descriptor)
            self.peer.send(b"theirs")
            assert os.read(self.descriptor, 100) == b"theirs"
            self.peer.close()
            os.close(self.descriptor)
        elif self.path.exists():
            assert self.path.read_bytes() == b""
            os.write(self.descriptor, b"theirs")
            os.close(self.descriptor)


TAKEN = pytest.mark.parametrize("kind", ["closed", "file", "stream", "datagrams"])


@pytest.fixture
def pair() -> Iterator[tuple[OwnSocket, socket.socket]]:
    near, far = socket.socketpair()
    own = OwnSocket(near.detach())
    with far:
        yield own, far
        own.release()


def test_its_number_is_above_those_that_functions_close(
    pair: tuple[OwnSocket, socket.socket],
) -> None:
    own, far = pair
    assert own.fileno() >= 512
    assert not os.get_inheritable(own.fileno())
    assert own.write(b"data") == 4
    assert far.recv(10) == b"data"


def test_a_number_that_is_taken_is_left(pair: tuple[OwnSocket, socket.socket]) -> None:
    own, _ = pair
    other = OwnSocket()
    assert other.fileno() > own.fileno() >= 512
    assert own.is_ours()
    other.release()


def test_over_the_limit_of_the_process_it_keeps_its_number() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, hard))
    try:
        own = OwnSocket()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 0 < own.fileno() < 500
    own.release()


def write(own: OwnSocket) -> None:
    with pytest.raises(NotOursError):
        own.write(b"ours")


@TAKEN
@pytest.mark.parametrize(
    "use",
    [
        write,
        OwnSocket.release,
        OwnSocket.end_connection,
        OwnSocket.__del__,
    ],
    ids=["write", "release", "end", "del"],
)
def test_what_is_not_ours_is_left_alone(
    kind: str, use: Callable[[OwnSocket], object], tmp_path: Path
) -> None:
    near, far = socket.socketpair()
    with far:
        own = OwnSocket(near.detach())
        taken = Taken(kind, own.fileno(), tmp_path)
        use(own)
        assert not own.is_ours()
        own.detach()
        taken.assert_untouched()


@TAKEN
def test_the_channel_connects_anew_and_loses_nothing(
    kind: str, socket_path: str, peer: Peer, tmp_path: Path
) -> None:
    channel = Channel(socket_path, lambda: wire.frame(*HELLO))
    channel.send(wire.frame(wire.SPANS, b"one"))
    assert peer.accept().read(2) == [HELLO, (wire.SPANS, b"one")]
    assert channel.connection is not None
    taken = Taken(kind, channel.connection.fileno(), tmp_path)
    channel.send(wire.frame(wire.SPANS, b"two"))
    assert peer.accept().read(2) == [HELLO, (wire.SPANS, b"two")]
    taken.assert_untouched()
    channel.after_fork()


@TAKEN
def test_a_child_leaves_alone_what_it_has_put_there(
    kind: str, socket_path: str, peer: Peer, tmp_path: Path
) -> None:
    channel = Channel(socket_path, lambda: wire.frame(*HELLO))
    channel.connect()
    peer.accept()
    assert channel.connection is not None
    taken = Taken(kind, channel.connection.fileno(), tmp_path)
    channel.after_fork()
    taken.assert_untouched()


@TAKEN
def test_the_deadline_is_heard_though_the_descriptor_is_gone(kind: str, tmp_path: Path) -> None:
    """The thread that waits keeps the connection; whether it waits yet cannot be seen."""
    assert any(is_heard_without_descriptor(kind, tmp_path, wait_s) for wait_s in (0.05, 0.5, 5))


def is_heard_without_descriptor(kind: str, directory: Path, wait_s: float) -> bool:
    near, far = socket.socketpair()
    told = threading.Semaphore(0)
    with far:
        own = OwnSocket(near.detach())
        DeadlineWatch(told.release).watch(own)
        time.sleep(wait_s)
        taken = Taken(kind, own.fileno(), directory)
        try:
            far.send(wire.frame(wire.DEADLINE, b""))
            heard = told.acquire(timeout=wait_s)
        except BrokenPipeError:
            heard = False
    own.detach()
    taken.assert_untouched()
    return heard
