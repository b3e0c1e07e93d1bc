"""Which log lines leave, and with what of them hidden, for both processes. Pure.

The runtime applies the rules to what it captures, the forwarder to the platform's lines, so they
are read from the environment by one piece of code.
"""

from __future__ import annotations

from serverless_instrument import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

LOGS, LEVEL, INCLUDE, EXCLUDE, MASK = environment.LOG_RULES

# https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
_LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "warning": 13, "error": 17, "fatal": 21}
_INFO = 9
_LOWEST = "trace"
# Between patterns, beside line breaks: no regular expression needs it.
_SEPARATOR = ";;"
_ARROW = "=>"
_HIDDEN = "***"


class LogRules:
    """Rules of `environ`; `warnings` name what cannot be used, which is skipped.

    Attributes:
        enabled: whether any line leaves.
        masks: whether `mask` changes anything.
    """

    __slots__ = ("_exclude", "_include", "_masks", "_min_severity", "enabled", "warnings")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.warnings: list[str] = []
        self.enabled = environment.boolean(environ, LOGS, True, self.warnings)
        level = environment.choice(environ, LEVEL, _LEVELS, _LOWEST, self.warnings)
        self._min_severity = _LEVELS[level]
        self._include = [p for p, _ in self._patterns(INCLUDE, environ)]
        self._exclude = [p for p, _ in self._patterns(EXCLUDE, environ)]
        self._masks = self._patterns(MASK, environ)

    @property
    def masks(self) -> bool:
        """Whether `mask` may change anything."""
        return bool(self._masks)

    def wanted(self, text: str, severity: int) -> bool:
        """Whether a line leaves; `severity` 0, not said, counts as that of information."""
        if (severity or _INFO) < self._min_severity:
            return False
        if self._include and not any(pattern.search(text) for pattern in self._include):
            return False
        return not any(pattern.search(text) for pattern in self._exclude)

    def mask(self, text: str) -> str:
        """`text` with every match replaced, one pattern after the other."""
        for pattern, replacement in self._masks:
            text = pattern.sub(replacement, text)
        return text

    def _patterns(self, name: str, environ: Mapping[str, str]) -> list[tuple[re.Pattern[str], str]]:
        value = environment.value_of(environ, name)
        patterns = []
        for member in _members(value) if value else ():
            text, replacement = member.strip(), _HIDDEN
            if name == MASK and _ARROW in text:
                text, _, replacement = text.rpartition(_ARROW)
            if not text:
                continue
            tried = replacement if name == MASK else ""
            pattern = environment.pattern(name, text, self.warnings, tried)
            if pattern is not None:
                patterns.append((pattern, replacement))
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
