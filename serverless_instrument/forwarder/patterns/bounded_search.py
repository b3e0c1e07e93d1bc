r"""Searches in long texts, in steps between which a signal is handled; pure.

A match attempt looks for signals as it backtracks, but a search that makes many attempts, each of
one long run (``\s+$``, ``a*b``), goes on for seconds without looking. So a long text is searched
in steps of so many starts that none takes more than a few milliseconds.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Up to here the attempts of a search take a few milliseconds in all, however they go.
_LONG_CHARACTERS = 256
# Characters that the attempts of one step may look at.
_STEP_CHARACTERS = 4_000_000
_MOST_STARTS = 1024
# A single character is found too often.
_LEAST_PREFIX = 2
# A match of at most so many is found in a piece of the text.
_NARROW_CHARACTERS = 512
_LITERAL = re.compile(r"[\w =:,/\"'<>@&%#~!;-]+", re.ASCII)
_GLOBAL_FLAGS = re.compile(r"(?:\(\?[aiLmsux]+\))+")
_QUANTIFIERS = ("*", "+", "?", "{")


class BoundedSearch:
    """One pattern, and what takes the place of its matches.

    Args:
        pattern: compiled.
        replacement: as for `re.sub`.
    """

    __slots__ = ("_locators", "_pattern", "_prefix", "_replacement", "_widest")

    def __init__(self, pattern: re.Pattern[str], replacement: str = "") -> None:
        self._pattern = pattern
        self._replacement = replacement
        self._prefix = _literal_prefix(pattern)
        self._widest = _widest(pattern.pattern, pattern.flags)
        # By number of starts: a pattern that finds the first of them that matches.
        self._locators: dict[int, re.Pattern[str] | None] = {}

    def is_found(self, text: str) -> bool:
        """Whether `text` has a match."""
        if len(text) < _LONG_CHARACTERS:
            return self._pattern.search(text) is not None
        return self._next(text, 0) is not None

    def replaced(self, text: str) -> str:
        """`text` with its matches replaced."""
        if len(text) < _LONG_CHARACTERS:
            return self._pattern.sub(self._replacement, text)
        parts, copied = [], 0
        for match in self._matches(text):
            parts += [text[copied : match.start()], match.expand(self._replacement)]
            copied = match.end()
        return "".join([*parts, text[copied:]]) if parts else text

    def _matches(self, text: str) -> Iterator[re.Match[str]]:
        position = 0
        while (match := self._next(text, position)) is not None:
            yield match
            position = match.end() + (match.end() == match.start())

    def _next(self, text: str, position: int) -> re.Match[str] | None:
        """The first match that starts at `position` or later."""
        if len(self._prefix) >= _LEAST_PREFIX:
            return self._next_with_prefix(text, position)
        if self._widest <= _NARROW_CHARACTERS:
            return self._next_narrow(text, position)
        return self._next_wide(text, position)

    def _next_with_prefix(self, text: str, position: int) -> re.Match[str] | None:
        while (position := text.find(self._prefix, position)) >= 0:
            match = self._pattern.match(text, position)
            if match is not None:
                return match
            position += 1
        return None

    def _next_narrow(self, text: str, position: int) -> re.Match[str] | None:
        starts = max(1, _STEP_CHARACTERS // max(64, self._widest) ** 2)
        while position <= len(text):
            after = position + starts
            # What lies behind a match, such as a word's end, is seen as well.
            match = self._pattern.search(text, position, after + 2 * _NARROW_CHARACTERS)
            if match is not None and match.start() < after:
                # In the whole text, as a piece has an end of its own.
                whole = self._pattern.match(text, match.start())
                return whole or match
            position = after
        return None

    def _next_wide(self, text: str, position: int) -> re.Match[str] | None:
        # A power of two, so that few locators are compiled.
        starts = 1 << max(0, (_STEP_CHARACTERS // len(text)).bit_length() - 1)
        starts = min(starts, _MOST_STARTS)
        if starts not in self._locators:
            self._locators[starts] = _locator(self._pattern, starts)
        locator = self._locators[starts]
        while position <= len(text):
            if locator is None:
                match = self._pattern.match(text, position)
                if match is not None:
                    return match
                position += 1
                continue
            found = locator.match(text, position)
            if found is not None:
                return self._pattern.match(text, found.end())
            position += starts
        return None


def _locator(pattern: re.Pattern[str], starts: int) -> re.Pattern[str] | None:
    """Matches what stands before the first of `starts` places where `pattern` matches."""
    text, flags = pattern.pattern, pattern.flags
    leading = _GLOBAL_FLAGS.match(text)
    if leading is not None:
        text = text[leading.end() :]
    # A comment may end a verbose pattern.
    end = "\n" if flags & re.VERBOSE else ""
    try:
        return re.compile(f"(?s:.{{0,{starts - 1}}}?)(?={text}{end})", flags)
    except (re.error, OverflowError, RecursionError):
        return None


def _literal_prefix(pattern: re.Pattern[str]) -> str:
    """How every match begins, "" where that is not to be seen from the pattern."""
    text = pattern.pattern
    found = _LITERAL.match(text)
    if found is None or "|" in text or pattern.flags & (re.IGNORECASE | re.VERBOSE):
        return ""
    # What a quantifier follows may be missing.
    return found.group()[:-1] if text[found.end() :].startswith(_QUANTIFIERS) else found.group()


def _widest(text: str, flags: int) -> int:
    """The length of the longest match."""
    try:
        from re import _parser as parser  # type: ignore[attr-defined] # since Python 3.11
    except ImportError:
        import sre_parse as parser
    try:
        return int(parser.parse(text, flags).getwidth()[1])
    except (re.error, AttributeError, RecursionError, OverflowError, TypeError):
        return 1 << 30
