"""Adds an entry to a tuple that a source file has at its top; pure."""

from __future__ import annotations

import ast


class RecipeError(Exception):
    """Something stands in the way; the message is one line with the remedy."""


def with_entry(source: str, name: str, entry: str, *, ordered: bool) -> str:
    """`source` with the line ``    entry,`` in its tuple `name`.

    Where the tuple is `ordered` the line goes to its place in the alphabet, else to the end.

    Raises:
        RecipeError: there is no such tuple of several lines, or it has the entry.
    """
    lines = source.splitlines(keepends=True)
    first, last = _span(source, name)
    line = f"    {entry},\n"
    body = lines[first : last - 1]
    if line in body:
        raise RecipeError(f"{name} has {entry} already; choose another name or key")
    place = sum(1 for each in body if each < line) if ordered else len(body)
    return "".join([*lines[:first], *body[:place], line, *body[place:], *lines[last - 1 :]])


def _span(source: str, name: str) -> tuple[int, int]:
    """First and last line of the tuple assigned to `name`, counted from 1."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            end = node.value.end_lineno or 0
            if name in names and end > node.value.lineno:
                return node.value.lineno, end
    raise RecipeError(f"no tuple {name} of several lines to add to; scripts/recipes must follow")
