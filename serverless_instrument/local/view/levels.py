"""Severity of log lines and records, and how a terminal shows it. Pure.

https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
"""

from __future__ import annotations

import json

LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
INFO, WARN, ERROR = 9, 13, 17
_WORDS = LEVELS | {"warning": 13, "critical": 21}


def name(severity: int) -> str:
    """The level of `severity`, a SeverityNumber; 0, unspecified, is ``info``."""
    return max((level for level in LEVELS if LEVELS[level] <= (severity or INFO)), key=LEVELS.get)  # type: ignore[arg-type] # every level has a number


def style(severity: int) -> str:
    """The terminal style of a level; "" for an ordinary line."""
    if severity >= ERROR:
        return "red"
    if severity >= WARN:
        return "yellow"
    return "dim" if 0 < severity < INFO else ""


def severity_of_line(text: str) -> int:
    """The SeverityNumber that a line of output names, 0 where it names none.

    ``[LEVEL]`` is the runtime client's text format; JSON lines have a ``level``.
    """
    if text.startswith("["):
        return _WORDS.get(text[1:].partition("]")[0].lower(), 0)
    if text.startswith("{"):
        try:
            level = json.loads(text).get("level")
        except (ValueError, RecursionError):
            return 0
        return _WORDS.get(level.lower(), 0) if isinstance(level, str) else 0
    return ERROR if text.startswith("Traceback (most recent call last):") else 0
