"""Which log lines leave, and what is hidden in all that leaves, as the environment says it.

Patterns are matched here, in the forwarder's main thread, and nowhere else. What a pattern cannot
judge in time (`time_bound`) is on the safe side: a value is replaced whole, and a line that may
have to be left out is left out.
"""

from __future__ import annotations

from serverless_instrument import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from serverless_instrument.forwarder.patterns.bounded_search import BoundedSearch
    from serverless_instrument.forwarder.patterns.time_bound import TimeBound

    _Result = TypeVar("_Result")

LOGS, LEVEL, INCLUDE, EXCLUDE, MASK = environment.LOG_RULES
HIDDEN = "***"

# https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
_LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "warning": 13, "error": 17, "fatal": 21}
_INFO = 9
_LOWEST = "trace"
# Between patterns, beside line breaks: no regular expression needs it.
_SEPARATOR = ";;"
_ARROW = "=>"
# After so many matches that took too long a pattern is not tried again.
_MOST_OVERRUNS = 3
# Short texts come again and again.
_KEPT_CHARACTERS, _MOST_KEPT = 256, 2048
_CONSEQUENCE = {
    MASK: "the value is replaced whole",
    INCLUDE: "the line does not leave",
    EXCLUDE: "the line does not leave",
}


class _Pattern:
    """One pattern of the setting `name`, and how often it took too long."""

    __slots__ = ("name", "overruns", "search", "text")

    def __init__(self, name: str, text: str, search: BoundedSearch) -> None:
        self.name = name
        self.text = text
        self.search = search
        self.overruns = 0


class Patterns:
    """Rules of `environ`; `warnings` name what cannot be used, which is skipped.

    Attributes:
        enabled: whether any line leaves.
        overruns: how many values could not be judged in time; grows with each.
        report: see `Delivery`; names a pattern that takes too long. None says nothing.
    """

    __slots__ = (
        "_bound",
        "_exclude",
        "_include",
        "_known",
        "_masks",
        "_min_severity",
        "enabled",
        "overruns",
        "report",
        "warnings",
    )

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.warnings: list[str] = []
        self.report: Callable[[str, str], None] | None = None
        self.overruns = 0
        self.enabled = environment.boolean(environ, LOGS, True, self.warnings)
        level = environment.choice(environ, LEVEL, _LEVELS, _LOWEST, self.warnings)
        self._min_severity = _LEVELS[level]
        self._include = self._patterns(INCLUDE, environ)
        self._exclude = self._patterns(EXCLUDE, environ)
        self._masks = self._patterns(MASK, environ)
        # Masked texts, by text.
        self._known: dict[str, str] = {}
        self._bound: TimeBound | None = None

    @property
    def masks(self) -> bool:
        """Whether `mask` may change anything."""
        return bool(self._masks)

    @property
    def filters(self) -> bool:
        """Whether `wanted` may refuse anything."""
        return bool(self._include or self._exclude) or self._min_severity > _LEVELS[_LOWEST]

    def start_invocation(self) -> None:
        """An invocation begins: its values have all of their time."""
        if self._bound is not None:
            self._bound.start_invocation()

    def wanted(self, text: str, severity: int) -> bool:
        """Whether a line leaves; `severity` 0, not said, counts as that of information."""
        if (severity or _INFO) < self._min_severity:
            return False
        if not (self._include or self._exclude):
            return True
        self._time_bound().start_value()
        included = not self._include
        for pattern in self._include:
            found = self._matches(pattern, pattern.search.is_found, text)
            if found is None:
                return False
            if found:
                included = True
                break
        # One that cannot be judged is taken for one that is to be left out.
        return included and all(
            self._matches(pattern, pattern.search.is_found, text) is False
            for pattern in self._exclude
        )

    def mask(self, text: str) -> str:
        """`text` with every match replaced, one pattern after the other; bounded in time."""
        if not (text and self._masks):
            return text
        shown = self._known.get(text)
        if shown is not None:
            return shown
        self._time_bound().start_value()
        shown = text
        for pattern in self._masks:
            replaced = self._matches(pattern, pattern.search.replaced, shown)
            if replaced is None:
                return HIDDEN
            shown = replaced
        if len(text) <= _KEPT_CHARACTERS:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[text] = shown
        return shown

    def _matches(
        self, pattern: _Pattern, match: Callable[[str], _Result], text: str
    ) -> _Result | None:
        """What `match`, a search of `pattern`, returns; None where it takes too long."""
        bound = self._time_bound()
        result = None
        if pattern.overruns < _MOST_OVERRUNS and not bound.is_used_up:
            result = bound.run(match, text)
            if result is not None:
                return result
            pattern.overruns += 1
            if pattern.overruns == _MOST_OVERRUNS:
                # From now on nothing is matched, and what is known is no exception.
                self._known.clear()
        self.overruns += 1
        if self.report is not None:
            self.report(
                f"{pattern.name} {pattern.text}",
                f'{pattern.name}: pattern "{environment.shown(pattern.text)}" takes more than '
                f"20 ms for a value, or 50 ms in an invocation: {_CONSEQUENCE[pattern.name]}; "
                "write it so that it cannot match the same text in several ways",
            )
        return None

    def _time_bound(self) -> TimeBound:
        """The bound, loaded with the first text: before that no signal is caught."""
        if self._bound is None:
            from serverless_instrument.forwarder.patterns.time_bound import TimeBound

            self._bound = TimeBound()
        return self._bound

    def _patterns(self, name: str, environ: Mapping[str, str]) -> list[_Pattern]:
        value = environment.value_of(environ, name)
        patterns: list[_Pattern] = []
        for member in _members(value) if value else ():
            text, replacement = member.strip(), HIDDEN
            if name == MASK and _ARROW in text:
                text, _, replacement = text.rpartition(_ARROW)
            if not text:
                continue
            tried = replacement if name == MASK else ""
            compiled = environment.pattern(name, text, self.warnings, tried)
            if compiled is not None:
                from serverless_instrument.forwarder.patterns.bounded_search import BoundedSearch

                patterns.append(_Pattern(name, text, BoundedSearch(compiled, replacement)))
        return patterns


def _members(value: str) -> list[str]:
    """The members of a JSON list of strings, or of text with separators."""
    if value.lstrip().startswith("["):
        from json import loads

        try:
            members = loads(value)
        except ValueError:
            # A character class, most likely.
            members = None
        if isinstance(members, list) and all(isinstance(member, str) for member in members):
            return members
    return value.replace("\n", _SEPARATOR).split(_SEPARATOR)
