"""What the function writes to ``sys.stdout`` and ``sys.stderr``, seen after it has been written.

The stream stays the object that it is, with a ``write`` of its own (awslambdaric puts an
``Unbuffered`` there): its type, attributes and identity are what the function would find without
us. Text goes to the stream first and unchanged; its result and its exceptions are the stream's.
"""

from __future__ import annotations

from _thread import RLock
from io import TextIOBase
from sys import is_finalizing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

# A line that never ends is given out in pieces of this size.
_PIECE_CHARACTERS = 2 * 1024 * 1024


class LineBuffer:
    """Pieces of text in, whole lines out: ``print(a, b)`` is four writes."""

    __slots__ = ("_characters", "_pieces", "piece_characters")

    def __init__(self, piece_characters: int = _PIECE_CHARACTERS) -> None:
        self.piece_characters = piece_characters
        self._pieces: list[str] = []
        self._characters = 0

    def feed(self, text: str) -> list[str]:
        """Lines that `text` completes, without their line feeds."""
        pieces = self._pieces
        if "\n" not in text:
            pieces.append(text)
            self._characters += len(text)
            return [self.take()] if self._characters > self.piece_characters else []
        if pieces:
            pieces.append(text)
            text = "".join(pieces)
            pieces.clear()
        lines = text.split("\n")
        rest = lines.pop()
        self._characters = len(rest)
        if rest:
            pieces.append(rest)
        return lines

    def rest(self) -> str:
        """What waits for the end of its line."""
        return "".join(self._pieces)

    def take(self) -> str:
        """As `rest`, and nothing waits any more."""
        text = "".join(self._pieces)
        self._pieces.clear()
        self._characters = 0
        return text


class OutputTee:
    """Calls `seen` with each text once it has been written to `stream`, in the written order.

    Args:
        stream: what is at ``sys.stdout`` or ``sys.stderr``.
        seen: never raises; called under the lock that keeps writes and calls in one order.
    """

    def __init__(self, stream: Any, seen: Callable[[str], None]) -> None:
        self._stream = stream
        self._seen = seen
        # Reentrant: a signal handler may print while its own thread does.
        self._lock = RLock()

    def after_fork(self) -> None:
        """Whoever held the lock is not in a forked child."""
        self._lock = RLock()

    def install(self) -> bool:
        """Whether the stream can be watched: not where there is none, or it takes no attributes."""
        stream = self._stream
        try:
            stream.write = self._watching(stream.write)
            # That of the standard library's calls `write` itself.
            if not isinstance(stream, TextIOBase) and hasattr(stream, "writelines"):
                stream.writelines = self._watching_lines(stream.writelines)
        except Exception:  # a stream of the user's may be any object, or None
            return False
        return True

    def _watching(self, original: Callable[..., object]) -> Callable[..., object]:
        seen = self._seen

        def write(*arguments: Any, **named: Any) -> object:
            try:
                # A daemon thread may have ended with the lock; we would wait for it for ever.
                if is_finalizing():
                    return original(*arguments, **named)
                with self._lock:
                    result = original(*arguments, **named)
                    seen(arguments[0] if arguments else named["msg"])
            except BaseException as error:
                leave_no_frame(error)
                raise
            return result

        return write

    def _watching_lines(self, original: Callable[..., object]) -> Callable[..., object]:
        def writelines(lines: Iterable[str]) -> object:
            taken: list[str] = []
            try:
                if is_finalizing():  # as above
                    return original(lines)
                with self._lock:
                    try:
                        return original(_noting(lines, taken))
                    except BaseException:
                        if taken:  # the one that could not be written
                            taken.pop()
                        raise
                    finally:
                        for line in taken:
                            self._seen(line)
            except BaseException as error:
                leave_no_frame(error)
                raise

        return writelines


def _noting(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def leave_no_frame(error: BaseException) -> None:
    """Take the caller's frame out of `error` before it is raised again.

    On Python 3.10 an exception raised again gets its old traceback back, and the frame stays.
    """
    traceback = error.__traceback__
    if traceback is not None:
        # The base class's own method: a user's class may have another of that name.
        BaseException.with_traceback(error, traceback.tb_next)
