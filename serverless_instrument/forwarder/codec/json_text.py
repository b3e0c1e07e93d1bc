"""JSON without the json package, which imports re and enum (3 ms and 2 MB at start). Pure.

Its C scanner and encoder are what ``json.loads`` and ``json.dumps`` run on; only the wrapping is
ours.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_WHITESPACE = " \t\r\n"


class _Options:
    """The attributes that the scanner reads from a ``json.JSONDecoder``."""

    strict = True
    parse_float = float
    parse_int = int
    parse_constant = float

    def __getattr__(self, name: str) -> None:
        """Hooks, of which there are none: each Python knows others (3.15 has ``array_hook``)."""


def _loader() -> Callable[[str], object]:
    try:
        from _json import make_scanner

        scan = make_scanner(_Options())  # type: ignore[arg-type] # typed as its own class
    except (ImportError, AttributeError, TypeError):  # another Python than those of CPython so far
        from json import loads as standard

        return standard

    def load(text: str) -> object:
        """The value of one JSON text. Raises ValueError on anything else."""
        text = text.strip(_WHITESPACE)
        try:
            value, end = scan(text, 0)
        except StopIteration:
            raise ValueError("no JSON value") from None
        except (RecursionError, SystemError):
            # The second, up to 3.11, for want of JSONDecodeError where json is not loaded.
            raise ValueError("no JSON, or nested too deeply") from None
        if end != len(text):
            raise ValueError(f"more than one JSON value: {text[end : end + 20]!r}")
        loaded: object = value
        return loaded

    return load


loads = _loader()


def _unknown(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def dumps(value: object, *, compact: bool = False, ascii_only: bool = True) -> str:
    """`value`, which `loads` made, as ``json.dumps`` writes it.

    `compact` leaves out the spaces after separators; not `ascii_only` writes characters as they
    are, as ``ensure_ascii=False`` does.

    Raises:
        ValueError: nested too deeply.
    """
    item, key = (",", ":") if compact else (", ", ": ")
    try:
        from _json import encode_basestring, encode_basestring_ascii, make_encoder

        string = encode_basestring_ascii if ascii_only else encode_basestring
        encode = make_encoder(None, _unknown, string, None, key, item, False, False, True)
    except (ImportError, TypeError):  # as above
        from json import dumps as standard

        return standard(value, separators=(item, key), ensure_ascii=ascii_only)
    try:
        return "".join(encode(value, 0))
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
