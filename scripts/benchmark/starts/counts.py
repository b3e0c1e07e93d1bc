"""Counts instructions with callgrind: starts over the bare process, and what comes each time."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import statistics
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from benchmark.sandbox.lambda_api import REGISTER, RUNTIME_NEXT
from benchmark.sandbox.subjects import Sandbox
from benchmark.starts import instructions, repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from benchmark.sandbox.processes import Subject

INIT_HELLO = "init_hello"
INIT_BOTO = "init_boto"
INIT_BOTO_PIP = "init_boto_pip"
REGISTERING = "forwarder_register"
STARTS = (INIT_HELLO, INIT_BOTO, INIT_BOTO_PIP, REGISTERING)
NAMES = (INIT_HELLO, INIT_BOTO, INIT_BOTO_PIP, *repeated.repeated(), REGISTERING)


class Counted(NamedTuple):
    """Instructions of the bare process, and what ours takes besides.

    Of what is counted once per invocation, span or line there is no bare part: all of it counts.
    """

    bare: int
    added: int


def measure(opt: Path, scratch: Path, names: Iterable[str] = NAMES) -> dict[str, Counted]:
    """Count `names` with the unpacked layer `opt`, two at a time.

    A repeated thing is counted as the difference between two runs, divided by how often it was
    done more, so that the start and what is loaded on first use do not enter.

    Raises:
        TimeoutError: a process did not come so far; the message holds what it printed.
    """
    sandbox = Sandbox(scratch, opt)
    with _drained(sandbox.runtime_socket), ThreadPoolExecutor(2) as pool:
        futures = {name: pool.submit(_count, name, sandbox, scratch) for name in names}
        return {name: future.result() for name, future in futures.items()}


def _count(name: str, sandbox: Sandbox, scratch: Path) -> Counted:
    starts = {
        INIT_HELLO: (sandbox.bare_runtime, sandbox.our_runtime, RUNTIME_NEXT),
        INIT_BOTO: (sandbox.bare_aws_runtime, sandbox.our_aws_runtime, RUNTIME_NEXT),
        INIT_BOTO_PIP: (
            sandbox.bare_aws_runtime_with_pip,
            sandbox.our_aws_runtime_with_pip,
            RUNTIME_NEXT,
        ),
        REGISTERING: (sandbox.bare_extension, sandbox.forwarder_directly, REGISTER),
    }
    if name not in starts:
        return Counted(0, _each(repeated.repeated()[name], sandbox, scratch))
    bare_for, ours_for, target = starts[name]
    # `-I` makes the hash seed of the extensions random: the middle of five.
    times = 5 if name == REGISTERING else 1
    bare, ours = (
        int(statistics.median(instructions.count(start, target, scratch) for _ in range(times)))
        for start in (bare_for, ours_for)
    )
    return Counted(bare, ours - bare)


def _each(what: repeated.Repeated, sandbox: Sandbox, scratch: Path) -> int:
    def subject_for(address: str) -> Subject:
        return sandbox.our_runtime(address, what.function)

    fewer, many = (
        instructions.count(subject_for, RUNTIME_NEXT, scratch, events=events)
        for events in (what.fewer, what.many)
    )
    return (many - fewer) // what.more


@contextlib.contextmanager
def _drained(path: Path) -> Iterator[None]:
    """A listener that reads everything, in the forwarder's place: a full buffer drops frames."""
    closing, wake = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(str(path))
        listener.listen(64)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(closing, selectors.EVENT_READ)
        thread = threading.Thread(target=_drain, args=(selector, listener, closing), daemon=True)
        thread.start()
        try:
            yield
        finally:
            os.close(wake)
            thread.join()
            os.close(closing)


def _drain(selector: selectors.BaseSelector, listener: socket.socket, closing: int) -> None:
    while True:
        for key, _ in selector.select():
            if key.fileobj == closing:
                return
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            connection = key.fileobj
            if isinstance(connection, socket.socket) and not connection.recv(1 << 20):
                selector.unregister(connection)
                connection.close()
