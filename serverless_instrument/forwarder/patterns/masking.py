"""What mask patterns match, hidden in values of any shape. Pure.

A pattern may be written for a value (a card's number) or for text around it (``"card": "..."``), so
a structure is looked at in its parts and as JSON, and so is a text that is JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Mask = Callable[[str], str]

_MAX_DEPTH = 24
_HIDDEN = "***"
# JSON is written with blanks and without.
_SEPARATORS = (", ", ": "), (",", ":")


def masked(value: object, mask: Mask) -> object:
    """`value`, the same where nothing in it matches. Never raises."""
    try:
        return _masked(value, mask)
    except Exception:  # a pattern or an object that cannot be looked into is not sent as it is
        return _HIDDEN


def _masked(value: object, mask: Mask) -> object:
    if isinstance(value, str):
        return _masked_text(value, mask)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _unless_changed(value, str(value), mask)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _unless_changed(value, bytes(value).decode("utf-8", "replace"), mask)
    if not isinstance(value, (dict, list, tuple, set, frozenset)):
        return mask(str(value))
    from json import dumps, loads

    for separators in _SEPARATORS:
        try:
            text = dumps(value, ensure_ascii=False, separators=separators)
        except (TypeError, ValueError, RecursionError):  # other types, or a cycle
            break
        shown = mask(text)
        if shown != text:
            try:
                value = loads(shown)
            except (ValueError, RecursionError):  # a replacement without its quotation marks
                return shown
    return _parts(value, mask, 0)


def _masked_text(text: str, mask: Mask) -> str:
    shown = mask(text)
    if shown[:1] not in ("{", "["):
        return shown
    from json import dumps, loads

    try:
        value = loads(shown)
        parts = _parts(value, mask, 0)
        return shown if parts == value else dumps(parts, ensure_ascii=False)
    except (ValueError, RecursionError):
        return shown


def _unless_changed(value: object, text: str, mask: Mask) -> object:
    shown = mask(text)
    return value if shown == text else shown


def _parts(value: object, mask: Mask, depth: int) -> object:
    if depth > _MAX_DEPTH:
        return "..."
    if isinstance(value, dict):
        return {
            mask(key if type(key) is str else str(key)): _parts(each, mask, depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_parts(each, mask, depth + 1) for each in value]
    return _masked(value, mask)
