"""Log levels to OTLP severity numbers. Pure.

https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber and, for names of
other systems, https://opentelemetry.io/docs/specs/otel/logs/data-model-appendix/#appendix-b-severitynumber-example-mappings.
"""

from __future__ import annotations

_NAMES = {
    "trace": 1,
    "debug": 5,
    "info": 9,
    "information": 9,
    "informational": 9,
    "notice": 10,
    "success": 10,
    "warn": 13,
    "warning": 13,
    "err": 17,
    "error": 17,
    "exception": 17,
    "alert": 19,
    "crit": 21,
    "critical": 21,
    "fatal": 21,
    "emerg": 21,
    "emergency": 21,
    "panic": 21,
}


def of_python_level(level: int) -> int:
    """1 to 24, or 0 for NOTSET: ten levels of ``logging`` are four of OTLP."""
    if level <= 0:
        return 0
    if level < 10:
        return 1
    if level >= 50:
        return min(21 + level - 50, 24)
    if level >= 30:  # WARNING, ERROR
        return 13 + (level // 10 - 3) * 4 + min(level % 10, 3)
    return 5 + (level // 10 - 1) * 4 + min(level % 10, 3)


def of_name(name: str) -> int:
    """The number of a level's name in any case, 0 where it is none."""
    return _NAMES.get(name.strip().lower(), 0)
