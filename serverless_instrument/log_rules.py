"""Which log lines leave, and with what of them hidden; pure, for both processes.

The runtime applies the rules to what it captures, the forwarder to the platform's lines, so they
are read from the environment by one piece of code.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

LOGS = "SERVERLESS_INSTRUMENT_LOGS"
LEVEL = "SERVERLESS_INSTRUMENT_LOGS_LEVEL"
INCLUDE = "SERVERLESS_INSTRUMENT_LOGS_INCLUDE"
EXCLUDE = "SERVERLESS_INSTRUMENT_LOGS_EXCLUDE"
MASK = "SERVERLESS_INSTRUMENT_MASK"

# https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
_LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "warning": 13, "error": 17, "fatal": 21}
_INFO = 9
# Between patterns, beside line breaks: no regular expression needs it.
_SEPARATOR = ";;"
_ARROW = "=>"
_HIDDEN = "***"
_SHOWN_CHARACTERS = 100


class LogRules:
    """Rules of `environ`; `warnings` name what cannot be used, which is skipped.

    Attributes:
        enabled: whether any line leaves.
        masks: whether `mask` changes anything.
    """

    __slots__ = ("_exclude", "_include", "_masks", "_min_severity", "enabled", "warnings")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.warnings: list[str] = []
        self.enabled = self._enabled(environ.get(LOGS, ""))
        self._min_severity = self._severity(environ.get(LEVEL, ""))
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

    def _enabled(self, value: str) -> bool:
        if value.strip().lower() not in ("", "on", "off"):
            self.warnings.append(f'{LOGS}="{_shown(value)}" is not known: set it to on or off')
        return value.strip().lower() != "off"

    def _severity(self, value: str) -> int:
        level = value.strip().lower()
        if level and level not in _LEVELS:
            self.warnings.append(
                f'{LEVEL}="{_shown(value)}" is not a level, all lines are sent: '
                "set it to trace, debug, info, warn, error or fatal"
            )
        return _LEVELS.get(level, 0)

    def _patterns(self, name: str, environ: Mapping[str, str]) -> list[tuple[re.Pattern[str], str]]:
        value = environ.get(name, "")
        if not value.strip():
            return []
        import re  # 2 ms, for those who have patterns

        patterns = []
        for member in _members(value):
            text, replacement = member.strip(), _HIDDEN
            if name == MASK and _ARROW in text:
                text, _, replacement = text.rpartition(_ARROW)
            if not text:
                continue
            try:
                pattern = re.compile(text)
                if name == MASK:
                    # A replacement may name a group that the pattern lacks; with an empty
                    # alternative there is a match to try it on.
                    re.compile(f"{text}\n|").sub(replacement, "")
            except (re.error, IndexError, OverflowError, RecursionError) as error:
                self.warnings.append(f'{name}: pattern "{_shown(text)}" is skipped: {error}')
            else:
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


def _shown(value: str) -> str:
    """`value` for a message of one line."""
    text = "".join([c if c.isprintable() else "?" for c in value[:_SHOWN_CHARACTERS]])
    return text + ("..." if len(value) > _SHOWN_CHARACTERS else "")
