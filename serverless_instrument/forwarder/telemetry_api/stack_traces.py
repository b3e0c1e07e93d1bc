"""Exceptions as Python prints them, to attributes; pure.

https://opentelemetry.io/docs/specs/semconv/exceptions/
"""

from __future__ import annotations

_OPENING = "Traceback (most recent call last):"
_STARTS = ("\n" + _OPENING, "\n  + Exception Group " + _OPENING)


def find_stack(text: str) -> int:
    """Where a stack trace after the first line of `text` starts, -1 for none."""
    if _OPENING not in text:
        return -1
    starts = [start for start in map(text.find, _STARTS) if start >= 0]
    return min(starts) + 1 if starts else -1


def exception_attributes(stack: str, kind: str = "", message: str = "") -> dict[str, object]:
    """The attributes of an exception; `stack` ends with its type and message.

    `kind` and `message` are found in it where they are not given.
    """
    if stack and not kind:
        last = stack.rstrip().rpartition("\n")[2]
        name, _, rest = last.partition(": ")
        if name[:1].isalpha() and name.replace(".", "").replace("_", "").isalnum():
            kind, message = name, message or rest
    if stack and kind and not message:
        message = _message_of(stack, kind)
    found = {
        "exception.type": kind,
        "exception.message": message,
        "exception.stacktrace": stack,
    }
    return {key: value for key, value in found.items() if value}


def _message_of(stack: str, kind: str) -> str:
    """What stands behind the last "Type: " that begins a line; it may have several lines."""
    for name in (kind, kind.rpartition(".")[2]):
        if stack.startswith(f"{name}: "):  # it was never raised
            return stack[len(name) + 2 :].rstrip("\n")
        mark = f"\n{name}: "
        start = stack.rfind(mark)
        if start >= 0:
            return stack[start + len(mark) :].rstrip("\n")
        mark = f"| {name}: "  # of a group
        start = stack.find(mark)
        if start >= 0:
            return stack[start + len(mark) :].partition("\n")[0]
    return ""
