"""What a call of `serverless_instrument.metric` asks for, whatever it was called with; pure.

Everything that leaves here is of Python's own types, so that nothing of the function's runs when
values are grouped at the end of the invocation.
"""

from __future__ import annotations

from operator import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    Plain = str | bool | int | float | bytes | tuple["Plain", ...]
    Attributes = dict[str, Plain]

KINDS = ("histogram", "counter", "gauge")
# https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax, #instrument-unit
_LONGEST_NAME, _LONGEST_UNIT = 255, 63
# Within them no sum of an invocation's values is too large for a double.
_LEAST, _MOST = -1e300, 1e300
_PLAIN = frozenset((str, bool, int, float))
_LONGEST_TEXT = 1000


class RefusedError(Exception):
    """The value is left out; the message says why, and the remedy."""


def name(given: object) -> str:
    """The metric's name. Raises `RefusedError`."""
    told = given if type(given) is str else _text_of(given)
    if not told or len(told) > _LONGEST_NAME:
        raise RefusedError(f"its name is to be a text of 1 to {_LONGEST_NAME} characters")
    return told


def number(given: object) -> int | float:
    """The value. Raises `RefusedError` for what is no number, no finite one or too large."""
    value = given if type(given) in (int, float) else _number_of(given)
    # An integer of any size can be compared with them, NaN is not between them.
    if value is not None and _LEAST < value < _MOST:  # type: ignore[operator] # a number
        return value  # type: ignore[return-value] # likewise
    raise RefusedError(
        f"value {shown(given)} is left out: record a finite number, an int or a float"
    )


def unit(given: object) -> str:
    """The unit, "" for none; what can be none is left out, not the value."""
    told = given if type(given) is str else _text_of(given)
    return told[:_LONGEST_UNIT] if told else ""


def kind(given: object) -> str:
    """The kind, one of `KINDS`. Raises `RefusedError`."""
    told = given if type(given) is str else _text_of(given)
    if told in KINDS:
        return told
    raise RefusedError(
        f"kind {shown(given)} is not known, values are left out: use histogram, counter or gauge"
    )


def attributes(given: object) -> Attributes | None:
    """A copy. Raises `RefusedError` for what is no mapping."""
    if given is None:
        return None
    if type(given) is dict and _are_plain(given):
        return dict(given)
    try:
        items = list(given.items())  # type: ignore[attr-defined] # any mapping
        told = {}
        for key, value in items:
            text = _text_of(key)
            if text and value is not None:
                told[text] = _plain(value)
    except Exception:  # it is no mapping, or its methods raise
        raise RefusedError(f"attributes {shown(given)}: give a dict") from None
    return told


def _are_plain(given: dict[object, object]) -> bool:
    for key, value in given.items():
        if type(key) is not str or type(value) not in _PLAIN:
            return False
    return True


def shown(value: object) -> str:
    """A value in a message: short, or its type where it cannot be shown."""
    if type(value) in _PLAIN or value is None:
        try:
            return f"{value!r:.60}"
        except ValueError:  # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
            return "of too many digits"
    return f"of type {type(value).__name__:.60}"


def _text_of(given: object) -> str:
    """Of a subclass of str, such as an enumeration's member, what it is; "" of anything else."""
    return str.__str__(given) if isinstance(given, str) else ""


def _number_of(given: object) -> int | float | None:
    if isinstance(given, bool):
        return None
    if isinstance(given, float):
        return float.__float__(given)
    if isinstance(given, int):
        return int.__int__(given)
    try:
        return index(given)  # type: ignore[arg-type] # of numpy, for instance
    except Exception:
        return None


def _plain(value: object) -> Plain:
    """A value of Python's own types, which cannot change any more."""
    if type(value) in _PLAIN:
        return value  # type: ignore[return-value] # one of them
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return _number_of(value) or 0
    if type(value) is bytes:
        return value
    if type(value) in (list, tuple):
        items: tuple[Plain, ...] = tuple(value)  # type: ignore[arg-type] # one of them
        if all(type(item) in _PLAIN for item in items):
            return items
    try:
        return f"{value!s:.{_LONGEST_TEXT}}"
    except Exception:  # of the function's own making, or too deep
        return f"<{type(value).__name__}>"
