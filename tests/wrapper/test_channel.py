from __future__ import annotations

import os
import socket
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from serverless_instrument import wire, wire_payloads
from serverless_instrument.wrapper.channel import Channel
from tests.wrapper.peer import Peer, until

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO = (wire.HELLO, b"hello")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Ours(Channel):
    """A channel that says "hello" and is closed with its test."""

    def __init__(self, path: str, pending_limit_bytes: int = 8 << 20) -> None:
        self.clock = Clock()
        super().__init__(path, lambda: wire.frame(*HELLO), self.clock, pending_limit_bytes)

    @property
    def waiting_bytes(self) -> int:
        """What waits in this process, the frame in transit included."""
        return sum(len(frames) for frames, *_ in self._queue)

    def assert_counted(self) -> None:
        assert self._queued_bytes == sum(len(frames) for frames, *_ in self._queue)


@pytest.fixture
def channel(socket_path: str) -> Iterator[Ours]:
    made = Ours(socket_path)
    yield made
    made.after_fork()  # closes what is open


def spans(number: int, size: int = 100) -> bytes:
    return wire.frame(wire.SPANS, number.to_bytes(4, "big") + b"x" * size)


def numbers(frames: list[tuple[int, bytes]]) -> list[int]:
    """Of SPANS frames, which must be whole."""
    assert all(payload[4:] == b"x" * len(payload[4:]) for kind, payload in frames if kind == 3)
    return [int.from_bytes(payload[:4], "big") for kind, payload in frames if kind == wire.SPANS]


def said_dropped(frames: list[tuple[int, bytes]]) -> int:
    """What DROPPED frames say."""
    return sum(
        wire_payloads.unpack_dropped(payload)[0] for kind, payload in frames if kind == wire.DROPPED
    )


def test_frames_follow_hello_in_order(channel: Ours, peer: Peer) -> None:
    for number in range(100):
        channel.send(spans(number))
    frames = peer.accept().read(101)
    assert frames[0] == HELLO
    assert numbers(frames) == list(range(100))


def test_a_frame_is_in_the_kernel_when_send_returns(channel: Ours, peer: Peer) -> None:
    channel.send(spans(1))
    channel.after_fork()  # as much of a death as one process can have
    assert numbers(peer.accept().read_to_end()) == [1]


def test_connect_says_hello_without_a_frame(channel: Ours, peer: Peer) -> None:
    channel.connect()
    channel.connect()
    assert peer.accept().read(1) == [HELLO]
    channel.send(spans(1))
    channel.after_fork()
    peer.listener.settimeout(0)
    with pytest.raises(BlockingIOError):  # one connection for all
        peer.accept()


def test_several_frames_in_one_send(channel: Ours, peer: Peer) -> None:
    channel.send(spans(1) + spans(2))
    assert numbers(peer.accept().read(3)) == [1, 2]


@pytest.mark.usefixtures("small_buffer")
@pytest.mark.parametrize("piece_bytes", [1 << 20, 10_007])
def test_a_slow_reader_gets_everything_in_order(
    channel: Ours, peer: Peer, piece_bytes: int
) -> None:
    count = 40
    for number in range(count):
        channel.send(spans(number, 150_000))
    assert channel.waiting_bytes > 1_000_000  # more than the kernel holds
    channel.assert_counted()
    frames = peer.accept().read(count + 1, piece_bytes)
    assert numbers(frames) == list(range(count))
    assert channel.dropped_frames == 0
    until(lambda: channel.waiting_bytes == 0)


def test_the_largest_frame(channel: Ours, peer: Peer) -> None:
    frame = wire.frame(wire.SPANS, bytes(4) + b"x" * (wire.MAX_PAYLOAD_BYTES - 4))
    channel.send(frame)
    assert peer.accept().read(2)[1][1] == frame[8:]


@pytest.mark.usefixtures("small_buffer")
def test_no_frame_is_left_to_a_thread_that_has_seen_its_last(channel: Ours, peer: Peer) -> None:
    # Each round ends with nothing to send after it, so that a missed wake-up is never made good.
    channel.connect()
    connection = peer.accept()
    sent = 0
    for size in [*range(1, 60)] * 3:
        for _ in range(12):
            channel.send(spans(sent, size * 200))
            sent += 1
        assert numbers(connection.read(sent + 1)) == list(range(sent))
    channel.assert_counted()


@pytest.mark.usefixtures("small_buffer")
def test_a_reader_that_stops_costs_neither_time_nor_endless_memory(
    socket_path: str, peer: Peer
) -> None:
    limit_bytes, count, size = 1_000_000, 300, 50_000
    channel = Ours(socket_path, limit_bytes)
    took_ns = []
    for number in range(count):
        start_ns = time.perf_counter_ns()
        channel.send(spans(number, size))
        took_ns.append(time.perf_counter_ns() - start_ns)
        assert channel.waiting_bytes <= limit_bytes + size + 100
    assert statistics.median(took_ns) < 5_000_000
    channel.assert_counted()
    dropped = channel.dropped_frames
    assert dropped > 100
    frames = peer.accept().read(count - dropped + 2)
    assert said_dropped(frames) == dropped
    received = numbers(frames)
    assert received == sorted(set(received))
    assert received[-1] == count - 1  # the oldest were dropped, not the latest
    channel.after_fork()


class TestWithoutForwarder:
    def test_frames_wait_for_a_late_one(self, channel: Ours, socket_path: str) -> None:
        channel.send(spans(1))
        channel.send(spans(2))
        with Peer(socket_path) as peer:
            channel.send(spans(3))  # too soon to look again
            assert channel.waiting_bytes == 3 * len(spans(1))
            channel.clock.now_s += 1
            channel.send(spans(4))
            frames = peer.accept().read(5)
            assert frames[0] == HELLO
            assert numbers(frames) == [1, 2, 3, 4]

    def test_little_is_kept_and_the_rest_counted(self, channel: Ours) -> None:
        for number in range(100):
            channel.send(spans(number, 10_000))
        assert channel.waiting_bytes <= 256 * 1024
        assert 70 < channel.dropped_frames < 80
        channel.assert_counted()
        channel.send(spans(101, 300_000))
        assert (channel.waiting_bytes, channel.dropped_frames) == (0, 101)

    def test_a_late_one_is_told_what_was_dropped_and_told_once(
        self, channel: Ours, socket_path: str
    ) -> None:
        for number in range(5):
            channel.send(spans(number, 300_000))
        with Peer(socket_path) as peer:
            channel.clock.now_s += 1
            for number in range(5, 8):
                channel.send(spans(number))
            frames = peer.accept().read(5)
            assert frames[:2] == [HELLO, (wire.DROPPED, wire.dropped_frame(5)[8:])]
            assert numbers(frames) == [5, 6, 7]

    def test_a_socket_that_nobody_listens_on(self, channel: Ours, socket_path: str) -> None:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(socket_path)
            channel.send(spans(1))
        assert channel.waiting_bytes == len(spans(1))

    def test_a_full_backlog_does_not_block(self, channel: Ours, socket_path: str) -> None:
        with Peer(socket_path, backlog=0):
            waiting = []
            try:
                while True:
                    waiting.append(socket.socket(socket.AF_UNIX))
                    waiting[-1].setblocking(False)
                    waiting[-1].connect(socket_path)
            except BlockingIOError:
                channel.send(spans(1))
            finally:
                for connection in waiting:
                    connection.close()
        assert channel.waiting_bytes == len(spans(1))

    @pytest.mark.parametrize(
        "path", ["", "/", "/tmp", "\0", "/tmp/a\0b", "/tmp/" + "x" * 200, "\ud800", "/dev/null/s"]
    )
    def test_a_path_that_cannot_be_a_socket(self, path: str) -> None:
        channel = Ours(path)
        channel.connect()
        channel.send(spans(1))
        assert channel.waiting_bytes == len(spans(1))

    def test_a_hello_that_cannot_be_made(self, socket_path: str, peer: Peer) -> None:
        def hello() -> bytes:
            raise RuntimeError("no resource")

        channel = Channel(socket_path, hello)
        channel.send(spans(1))
        assert peer.accept().read_to_end() == []

    @pytest.mark.usefixtures("small_buffer")
    def test_a_hello_over_what_the_socket_takes(self, socket_path: str, peer: Peer) -> None:
        channel = Channel(socket_path, lambda: wire.frame(wire.HELLO, bytes(3 << 20)))
        channel.send(spans(1))
        assert peer.accept().read_to_end() == []


@pytest.mark.usefixtures("small_buffer")
class TestReconnection:
    def test_at_once_with_hello_first(self, channel: Ours, peer: Peer) -> None:
        channel.send(spans(1))
        first = peer.accept()
        assert numbers(first.read(2)) == [1]
        first.close()
        channel.clock.now_s += 1
        channel.send(spans(2))
        assert peer.accept().read(2) == [HELLO, (wire.SPANS, spans(2)[8:])]
        assert channel.dropped_frames == 0

    def test_not_more_than_once_a_second(self, channel: Ours, peer: Peer) -> None:
        channel.connect()
        peer.accept().close()
        channel.send(spans(1))
        channel.send(spans(2))
        assert channel.waiting_bytes == 2 * len(spans(1))
        channel.clock.now_s += 1
        channel.send(spans(3))
        assert numbers(peer.accept().read(4)) == [1, 2, 3]

    def test_a_frame_cut_off_is_sent_again_whole(self, channel: Ours, peer: Peer) -> None:
        big = 3_000_000
        channel.send(spans(1))
        channel.send(spans(2, big))
        first = peer.accept()
        assert numbers(first.read(2)) == [1]
        assert channel.waiting_bytes > big  # frame 2 is in transit
        channel.clock.now_s += 1
        first.close()
        channel.send(spans(3))
        frames = peer.accept().read(3)
        assert frames[0] == HELLO
        assert numbers(frames) == [2, 3]

    def test_a_draining_thread_finds_the_new_forwarder(self, channel: Ours, peer: Peer) -> None:
        for number in range(10):
            channel.send(spans(number, 500_000))
        first = peer.accept()
        received = numbers(first.read(3))
        channel.clock.now_s += 1
        first.close()
        # The next one was in transit: it is longer than what the kernel holds.
        frames = peer.accept().read(1 + 10 - len(received))
        assert frames[0] == HELLO
        assert received + numbers(frames) == list(range(10))


def test_a_forked_child_has_a_connection_of_its_own(socket_path: str, peer: Peer) -> None:
    channel = Channel(
        socket_path, lambda: wire.frame(wire.HELLO, wire.pack_hello(os.getpid(), b"", b""))
    )
    channel.send(spans(1))
    child = os.fork()
    if child == 0:
        try:
            channel.after_fork()
            channel.send(spans(2))
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    channel.send(spans(3))
    channel.after_fork()
    found = {}
    for _ in range(2):
        (_, hello), *frames = peer.accept().read_to_end()
        found[wire_payloads.unpack_hello(hello)[0]] = numbers(frames)
    assert found == {os.getpid(): [1, 3], child: [2]}
