"""A tee on ``sys.stdout`` and ``sys.stderr`` that sees text after it has been written.

The stream object stays in place (awslambdaric's ``Unbuffered``) and gets another ``write``: its
type, attributes and identity stay what they are without us. Text goes to the stream first and
unchanged; result and exceptions are the stream's.
"""

from __future__ import annotations

from _thread import RLock
from io import TextIOBase
from sys import is_finalizing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

# A longer line is cut into pieces of this size.
_PIECE_CHARACTERS = 2 * 1024 * 1024


class LineBuffer:
    """Joins pieces of text to whole lines: ``print(a, b)`` is four writes."""

    __slots__ = ("_characters", "_pieces", "piece_characters")

    def __init__(self, piece_characters: int = _PIECE_CHARACTERS) -> None:
        self.piece_characters = piece_characters
        self._pieces: list[str] = []
        self._characters = 0

    def add_text(self, text: str) -> list[str]:
        """Add `text`; returns the lines that it completes, without their line feeds."""
        pieces = self._pieces
        if "\n" not in text:
            pieces.append(text)
            self._characters += len(text)
            return [self.take_unfinished_line()] if self._characters > self.piece_characters else []
        lines = text.split("\n")
        if pieces:
            # A long text is not copied: ``print`` writes the line feed by itself.
            if lines[0]:
                pieces.append(lines[0])
            lines[0] = pieces[0] if len(pieces) == 1 else "".join(pieces)
            pieces.clear()
        rest = lines.pop()
        self._characters = len(rest)
        if rest:
            pieces.append(rest)
        return lines

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def unfinished_line(self) -> str:
        """The text since the last line feed."""
        return "".join(self._pieces)

    def take_unfinished_line(self) -> str:
        """Remove and return the text since the last line feed."""
        text = "".join(self._pieces)
        self._pieces.clear()
        self._characters = 0
        return text


class OutputTee:
    """Calls `on_text` with each text once it has been written to `stream`, in the written order.

    Args:
        stream: ``sys.stdout`` or ``sys.stderr``.
        on_text: never raises; called under the lock that keeps writes and calls in one order.
    """

    def __init__(self, stream: Any, on_text: Callable[[str], None]) -> None:
        self._stream = stream
        self._on_text = on_text
        # Reentrant: a signal handler may print while its own thread does.
        self._lock = RLock()

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent's may hold."""
        self._lock = RLock()

    def install(self) -> bool:
        """Watch the stream; False where there is none or its attributes cannot be set."""
        stream = self._stream
        try:
            stream.write = self._watched_write(stream.write)
            # `writelines` of the standard library's streams calls `write`.
            if not isinstance(stream, TextIOBase) and hasattr(stream, "writelines"):
                stream.writelines = self._watched_writelines(stream.writelines)
        except Exception:  # the user's stream may be any object, or None
            return False
        return True

    def _watched_write(self, original: Callable[..., object]) -> Callable[..., object]:
        on_text = self._on_text

        def write(*arguments: Any, **named: Any) -> object:
            try:
                # A daemon thread that holds the lock may have ended, and never release it.
                if is_finalizing():
                    return original(*arguments, **named)
                with self._lock:
                    result = original(*arguments, **named)
                    on_text(arguments[0] if arguments else named["msg"])
            except BaseException as error:
                leave_no_frame(error)
                raise
            return result

        return write

    def _watched_writelines(self, original: Callable[..., object]) -> Callable[..., object]:
        def writelines(lines: Iterable[str]) -> object:
            consumed: list[str] = []
            try:
                if is_finalizing():  # as above
                    return original(lines)
                with self._lock:
                    try:
                        return original(_collecting(lines, consumed))
                    except BaseException:
                        if consumed:  # the last line could not be written
                            consumed.pop()
                        raise
                    finally:
                        for line in consumed:
                            self._on_text(line)
            except BaseException as error:
                leave_no_frame(error)
                raise

        return writelines


def _collecting(lines: Iterable[str], consumed: list[str]) -> Iterator[str]:
    for line in lines:
        consumed.append(line)
        yield line


def leave_no_frame(error: BaseException) -> None:
    """Remove the caller's frame from the traceback of `error` before it is raised again.

    Has no effect on Python 3.10, which restores the old traceback.
    """
    traceback = error.__traceback__
    if traceback is not None:
        # The base class's method: a user's class may define another of that name.
        BaseException.with_traceback(error, traceback.tb_next)
