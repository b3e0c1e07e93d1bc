"""The part of a Markdown file that is written by a script, between two lines of its; pure."""

from __future__ import annotations


def begin(mark: str) -> str:
    """The line before it."""
    return f"<!-- {mark} -->"


def end(mark: str) -> str:
    """The line after it."""
    return f"<!-- /{mark} -->"


def replaced(text: str, mark: str, content: str) -> str:
    """`text` with `content` between the two lines.

    Raises:
        ValueError: it does not have both, once each and in this order.
    """
    before, found, rest = text.partition(f"{begin(mark)}\n")
    _, also, after = rest.partition(f"{end(mark)}\n")
    if not found or not also or begin(mark) in rest or end(mark) in after:
        raise ValueError(f"it needs the lines {begin(mark)} and {end(mark)}, once each")
    return f"{before}{begin(mark)}\n{content}{end(mark)}\n{after}"
