"""Validation of the arguments of `serverless_instrument.metric`, which may be anything. Pure.

All results are of Python's built-in types, so that no code of the function's runs when values are
grouped at the end of the invocation.
"""

from __future__ import annotations

from operator import index

from serverless_instrument.wrapper.records import is_ours, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    Plain = str | bool | int | float | bytes | tuple["Plain", ...]
    Attributes = dict[str, Plain]

KINDS = ("histogram", "counter", "gauge")
# https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax, #instrument-unit
_MAX_NAME_CHARACTERS, _MAX_UNIT_CHARACTERS = 255, 63
# Within these bounds no sum of an invocation's values overflows a double.
_LEAST, _MOST = -1e300, 1e300
_PLAIN = frozenset((str, bool, int, float))
_MAX_TEXT_CHARACTERS = 1000


class RefusedError(Exception):
    """An argument cannot be used; the message gives the reason and the remedy."""


def name(given: object) -> str:
    """The metric's name. Raises `RefusedError`."""
    text = given if type(given) is str else _text_of(given)
    if not text or len(text) > _MAX_NAME_CHARACTERS:
        raise RefusedError(f"its name is to be a text of 1 to {_MAX_NAME_CHARACTERS} characters")
    return text


def number(given: object) -> int | float:
    """The value. Raises `RefusedError` unless it is a finite number of at most 1e300."""
    value = given if type(given) in (int, float) else _number_of(given)
    # Integers of any size can be compared with a float; NaN is not between the two.
    if value is not None and _LEAST < value < _MOST:  # type: ignore[operator] # a number
        return value  # type: ignore[return-value] # likewise
    raise RefusedError(
        f"value {shown(given)} is left out: record a finite number, an int or a float"
    )


def unit(given: object) -> str:
    """The unit, cut at 63 characters; "" for what is no string, as the value still counts."""
    text = given if type(given) is str else _text_of(given)
    return text[:_MAX_UNIT_CHARACTERS] if text else ""


def kind(given: object) -> str:
    """The kind, one of `KINDS`. Raises `RefusedError`."""
    text = given if type(given) is str else _text_of(given)
    if text in KINDS:
        return text
    raise RefusedError(
        f"kind {shown(given)} is not known, values are left out: use histogram, counter or gauge"
    )


def attributes(given: object) -> Attributes | None:
    """A copy of the attributes. Raises `RefusedError` for what is no mapping."""
    if given is None:
        return None
    if type(given) is dict and _are_plain(given):
        return dict(given)
    try:
        items = list(given.items())  # type: ignore[attr-defined] # any mapping
        copied = {}
        for key, value in items:
            text = _text_of(key)
            if text and value is not None:
                copied[text] = _plain(value)
    except Exception as error:  # no mapping, or its methods raise
        if not is_ours(error):
            raise
        raise RefusedError(f"attributes {shown(given)}: give a dict") from None
    return copied


def _are_plain(given: dict[object, object]) -> bool:
    for key, value in given.items():
        if type(key) is not str or type(value) not in _PLAIN:
            return False
    return True


def shown(value: object) -> str:
    """`value` in a message: a short form, or its type where it cannot be shown."""
    if type(value) in _PLAIN or value is None:
        try:
            return f"{value!r:.60}"
        except ValueError:  # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
            return "of too many digits"
    return f"of type {type_name(value):.60}"


def _text_of(given: object) -> str:
    """The plain string of a str or a subclass, such as an enumeration's member; else ""."""
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
    except Exception as error:
        if not is_ours(error):
            raise
        return None


def _plain(value: object) -> Plain:
    """An immutable copy of `value`, of Python's built-in types."""
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
        return f"{value!s:.{_MAX_TEXT_CHARACTERS}}"
    except Exception as error:  # of the function's own type, or nested too deeply
        if not is_ours(error):
            raise
        return f"<{type_name(value)}>"
