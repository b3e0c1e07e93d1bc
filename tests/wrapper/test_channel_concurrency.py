from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument import wire
from serverless_instrument.wrapper.channel import Channel
from serverless_instrument.wrapper.own_descriptor import OwnSocket
from tests.wrapper.peer import Peer, until
from tests.wrapper.test_channel import assert_counted, waiting_bytes

if TYPE_CHECKING:
    from types import FrameType


# The whole of a test may wait, so that every frame must come out.
LIMIT_BYTES = 64 << 20


def unconnected(path: str) -> Channel:
    return Channel(path, lambda: wire.frame(wire.HELLO, b""), pending_limit_bytes=LIMIT_BYTES)


def connected(path: str) -> Channel:
    channel = unconnected(path)
    channel.connect()
    return channel


def native_threads() -> int:
    """Threads of this process, those that `threading` does not know among them."""
    return len(os.listdir("/proc/self/task"))


def frame(thread: int, number: int, size: int) -> bytes:
    payload = bytes([thread]) + number.to_bytes(4, "big") + bytes([thread]) * size
    return wire.frame(wire.SPANS, payload)


def by_thread(frames: list[tuple[int, bytes]]) -> dict[int, list[int]]:
    found = defaultdict(list)
    for kind, payload in frames:
        if kind == wire.SPANS:
            assert payload[5:] == payload[:1] * (len(payload) - 5)
            found[payload[0]].append(int.from_bytes(payload[1:5], "big"))
    return found


@pytest.mark.usefixtures("small_buffer")
@pytest.mark.parametrize("size", [20, 3000])
def test_frames_of_ten_threads_do_not_mix(socket_path: str, peer: Peer, size: int) -> None:
    threads, each = 10, 1000
    channel = connected(socket_path)
    connection = peer.accept()
    ready = threading.Barrier(threads)

    def send(thread: int) -> None:
        ready.wait()
        for number in range(each):
            channel.send(frame(thread, number, size))

    senders = [threading.Thread(target=send, args=(n,)) for n in range(threads)]
    for sender in senders:
        sender.start()
    frames = connection.read(threads * each + 1)
    for sender in senders:
        sender.join()
    assert channel.dropped_frames == 0
    assert by_thread(frames) == {n: list(range(each)) for n in range(threads)}
    assert_counted(channel, LIMIT_BYTES)  # the sum of many threads is exact
    channel.after_fork()


@pytest.mark.usefixtures("small_buffer")
def test_a_signal_handler_may_send_while_its_own_thread_does(socket_path: str, peer: Peer) -> None:
    channel = connected(socket_path)
    connection = peer.accept()
    own, numbers = 20_000, count()

    def handler(_signal: int, _frame: FrameType | None) -> None:
        channel.send(frame(1, next(numbers), 30))  # and may be interrupted itself

    reader = threading.Thread(target=connection.read, args=(own + 1,))
    previous = signal.signal(signal.SIGUSR1, handler)
    sender = os.fork()
    if sender == 0:  # signals from outside come at any point of the code
        try:
            while os.getppid() == PARENT:
                os.kill(PARENT, signal.SIGUSR1)
                time.sleep(0.0002)
        finally:
            os._exit(0)
    try:
        reader.start()
        for number in range(own):
            channel.send(frame(0, number, 30))
    finally:
        os.kill(sender, signal.SIGKILL)
        os.waitpid(sender, 0)
        signal.signal(signal.SIGUSR1, previous)
    reader.join()
    handled = next(numbers)
    assert handled > 10
    found = by_thread(connection.read(own + handled + 1))
    assert found[0] == list(range(own))
    assert sorted(found[1]) == list(range(handled))
    channel.after_fork()


class LateError(Exception):
    pass


@pytest.mark.usefixtures("small_buffer")
@pytest.mark.parametrize("size", [30, 30_000])
def test_an_exception_of_a_signal_handler_costs_no_frame_and_doubles_none(
    socket_path: str, peer: Peer, size: int
) -> None:
    """A frame that is sent partly is completed, and the connection stays."""

    def handler(_signal: int, _frame: FrameType | None) -> None:
        raise LateError

    channel = connected(socket_path)
    connection = peer.accept()
    count, raised = 3000, 0
    read: list[tuple[int, bytes]] = []
    # A signal that arrives in another thread is handled here some time later.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    reader = threading.Thread(target=lambda: read.extend(connection.read_to_end()))
    reader.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    previous = signal.signal(signal.SIGALRM, handler)
    try:
        for number in range(count):
            try:
                signal.setitimer(signal.ITIMER_REAL, 5e-6 + number % 50 * 1e-6)
                try:
                    channel.send(frame(0, number, size))
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except LateError:
                raised += 1
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert raised > 100
    channel.send(frame(1, 0, 10))
    until(lambda: waiting_bytes(channel) == 0)
    assert channel.connection is not None
    channel.after_fork()
    reader.join()
    found = by_thread(read)
    # One whose `send` was cut off before it was queued is missing, and the others are in order.
    assert found[0] == sorted(set(found[0]))
    assert len(found[0]) >= count - raised
    assert found[1] == [0]


PARENT = os.getpid()


class Held:
    """A connection to `path` of which one `send` goes on when it is let."""

    def __init__(self, path: str) -> None:
        self._connection = OwnSocket()
        self._connection.connect_at_once(path)
        self._next = False
        self.entered, self.leave = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def send(self, data: bytes, flags: int) -> int:
        if self._next:
            self._next = False
            self.entered.set()
            assert self.leave.wait(60)
        return self._connection.send(data, flags)

    def hold(self, channel: Channel, data: bytes) -> threading.Thread:
        """A thread that is in the middle of sending `data`."""
        self._next = True
        thread = threading.Thread(target=channel.send, args=(data,))
        thread.start()
        assert self.entered.wait(20)
        return thread


def test_a_frame_is_written_when_send_returns_whoever_else_is_writing(
    socket_path: str, peer: Peer
) -> None:
    """END must not be left to a thread that may not run again before the freeze."""
    channel, held = unconnected(socket_path), Held(socket_path)
    channel.adopt_connection(held, socket_path)  # type: ignore[arg-type] # all that the channel uses of one
    connection = peer.accept()
    other = held.hold(channel, frame(1, 0, 20))
    threading.Timer(0.05, held.leave.set).start()
    channel.send(frame(2, 0, 20))
    assert waiting_bytes(channel) == 0
    assert by_thread(connection.read(3)) == {1: [0], 2: [0]}
    other.join()
    channel.after_fork()


ENDED_WITH_THE_LOCK = """
import os, sys, threading, time
from serverless_instrument.wrapper.channel import Channel

channel = Channel(sys.argv[1], lambda: b"")
channel.connect()
held = threading.Event()

def hold():
    with channel._lock:
        held.set()
        time.sleep(60)

threading.Thread(target=hold, daemon=True).start()
held.wait()

class Last:
    def __del__(self, send=channel.send, write=os.write):
        send(b"x")
        write(1, b"sent")

sys.last = Last()
"""


@pytest.mark.usefixtures("peer")
def test_a_thread_that_the_interpreter_ends_with_the_lock_is_not_waited_for(
    socket_path: str,
) -> None:
    command = [sys.executable, "-c", ENDED_WITH_THE_LOCK, socket_path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stdout == "sent", ended.stderr


@pytest.mark.usefixtures("small_buffer")
def test_the_draining_thread_ends_when_nothing_waits(socket_path: str, peer: Peer) -> None:
    before = native_threads()
    channel = connected(socket_path)
    connection = peer.accept()
    for number in range(20):
        channel.send(frame(0, number, 200_000))
    assert native_threads() > before
    connection.read(21)
    until(lambda: native_threads() <= before)
    channel.after_fork()


@pytest.mark.usefixtures("small_buffer")
def test_a_draining_thread_waits_without_working(socket_path: str, peer: Peer) -> None:
    channel = connected(socket_path)
    peer.accept()
    for number in range(20):
        channel.send(frame(0, number, 200_000))
    cpu_s, start_s = time.process_time(), time.monotonic()
    while time.monotonic() < start_s + 1.5:  # longer than its wait for the socket
        time.sleep(0.1)
    assert time.process_time() - cpu_s < 0.5
    channel.after_fork()


@pytest.mark.usefixtures("small_buffer")
def test_a_draining_thread_survives_its_peer_and_is_gone_with_it(
    socket_path: str, peer: Peer
) -> None:
    before = native_threads()
    channel = connected(socket_path)
    connection = peer.accept()
    for number in range(20):
        channel.send(frame(0, number, 200_000))
    peer.listener.close()
    connection.close()
    until(lambda: native_threads() <= before)
    channel.send(frame(0, 20, 10))  # with nobody there, little of it is kept
    in_transit_bytes = len(frame(0, 20, 200_000))
    assert waiting_bytes(channel) <= 256 * 1024 + in_transit_bytes
    assert channel.dropped_frames > 10
    channel.after_fork()
