"""The interpreter's clocks, locks, threads and randomness, taken before the function patches them.

This module is loaded before the function's. gevent replaces what ``_thread`` has, freezegun the
clocks in the globals of every loaded module (a `partial` is none of the objects that it looks for),
``random.seed`` sets what ``random`` gives, and a function may assign another ``json.loads``.
time-machine changes the clocks themselves, in C; that is not handled.
"""

from __future__ import annotations

import time
from _struct import Struct
from _thread import RLock as _RLock
from _thread import allocate_lock as _allocate_lock
from _thread import get_ident as _get_ident
from _thread import start_new_thread as _start_new_thread
from functools import partial
from json import JSONDecoder as _JSONDecoder
from json import dumps as _dumps
from json import loads as _loads
from posix import getpid as _getpid
from posix import urandom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

time_ns = partial(time.time_ns)
monotonic = partial(time.monotonic)
process_time_ns = partial(time.process_time_ns)
sleep = partial(time.sleep)
Lock, RLock = _allocate_lock, _RLock
get_ident, start_new_thread = _get_ident, _start_new_thread
getpid = _getpid
JSONDecoder, json_dumps, json_loads = _JSONDecoder, _dumps, _loads

_SECOND_NS = 1_000_000_000


def dated_by_the_clock(unix_ns: int, now_unix_ns: int) -> int:
    """A time that ``time`` gave the function, as our clock would have given it.

    They differ where the function, or a test of it, has replaced what ``time`` has.
    """
    if -_SECOND_NS < unix_ns - now_unix_ns < _SECOND_NS:
        return unix_ns
    offset_ns = now_unix_ns - int(time.time() * _SECOND_NS)
    return unix_ns if -_SECOND_NS < offset_ns < _SECOND_NS else unix_ns + offset_ns


_AHEAD_BYTES = 4096
_EIGHT_BYTES = Struct("8s")


class RandomBytes:
    """Random bytes of the kernel's for ids, read ahead while invocations run.

    A read releases the GIL, which a thread of the function's then keeps for 5 ms. Before the first
    invocation nothing is read ahead: a snapshot that is taken after init is restored many times
    (https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html).

    Args:
        read: returns that many random bytes.

    Attributes:
        reads_ahead: set by the first invocation.
    """

    __slots__ = ("_eights", "_read", "reads_ahead")

    def __init__(self, read: Callable[[int], bytes] = urandom) -> None:
        self._read = read
        self.reads_ahead = False
        self._eights: Iterator[tuple[bytes]] = iter(())

    def __call__(self, size_bytes: int) -> bytes:
        """`size_bytes` random bytes."""
        if size_bytes == 8:
            return self._next_eight()
        if size_bytes == 16:
            return self._next_eight() + self._next_eight()
        return self._read(size_bytes)

    def _next_eight(self) -> bytes:
        # One step of an iterator in C: neither threads nor signal handlers are given the same.
        for (eight,) in self._eights:
            return eight
        if not self.reads_ahead:
            return self._read(8)
        eights: Iterator[tuple[bytes]] = _EIGHT_BYTES.iter_unpack(self._read(_AHEAD_BYTES))
        (eight,) = next(eights)
        self._eights = eights
        return eight

    def drop(self) -> None:
        """Forget what has been read ahead: it is another process's as well."""
        self._eights = iter(())


random_bytes = RandomBytes()
