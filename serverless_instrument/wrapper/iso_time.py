"""Times as loggers write them, to nanoseconds since the epoch; pure.

``datetime`` is not loaded in a runtime that does not use it, and reads RFC 3339 only from 3.11 on.
"""

from __future__ import annotations

import re

# https://www.rfc-editor.org/rfc/rfc3339#section-5.6, with a space or a comma as loggers have them.
_ISO = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]"
    r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:[.,](\d{1,9}))?"
    r"\s?(?:(Z)|([+-])(\d\d):?(\d\d))",
    re.ASCII | re.IGNORECASE,
)
_YEARS_NS = (946_684_800_000_000_000, 4_102_444_800_000_000_000)  # 2000 to 2100


def unix_ns(value: object) -> int:
    """Nanoseconds of a time with a zone, or of a number of s, ms, us or ns; 0 where it is none."""
    if type(value) is str:
        found = _ISO.fullmatch(value)
        result = _of_match(found) if found else 0
    elif type(value) in (int, float):
        result = _of_number(value)  # type: ignore[arg-type] # narrowed by its type
    else:
        return 0
    return result if _YEARS_NS[0] <= result < _YEARS_NS[1] else 0


def _of_match(found: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(found[index]) for index in range(1, 7))
    seconds = (_days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second
    if found[9]:
        offset = int(found[10]) * 3600 + int(found[11]) * 60
        seconds += -offset if found[9] == "+" else offset
    return seconds * 1_000_000_000 + int((found[7] or "").ljust(9, "0"))


def _days(year: int, month: int, day: int) -> int:
    """Days since the epoch; https://howardhinnant.github.io/date_algorithms.html#days_from_civil."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return (
        era * 146_097
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + (day_of_year - 719_468)
    )


def _of_number(value: float) -> int:
    if not 9e8 < value < 1e20:  # not NaN either
        return 0
    for scale in (1_000_000_000, 1_000_000, 1_000, 1):
        scaled = int(value * scale)
        if scaled < _YEARS_NS[1]:
            return scaled
    return 0
