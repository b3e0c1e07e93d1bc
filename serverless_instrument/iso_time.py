"""Times as loggers and the platform write them, to nanoseconds since the epoch. Pure.

``datetime`` is not loaded in a runtime that does not use it, and reads RFC 3339 only from 3.11 on.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

# https://www.rfc-editor.org/rfc/rfc3339#section-5.6, with a space or a comma as loggers have them.
_ISO = (
    r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]"
    r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:[.,](\d{1,9})\d*)?"
    r"\s?(?:(Z)|([+-])(\d\d):?(\d\d))"
)
_YEARS_NS = (946_684_800_000_000_000, 4_102_444_800_000_000_000)  # 2000 to 2100
_LONGEST = 64
_pattern: re.Pattern[str] | None = None


def unix_ns(value: object) -> int:
    """Nanoseconds of a time with a zone, or of a number of s, ms, us or ns; 0 where it is none."""
    if type(value) is str:
        result = _of_utc(value)
        if result < 0:
            result = _of_text(value)
    elif type(value) in (int, float):
        result = _of_number(value)  # type: ignore[arg-type] # narrowed by its type
    else:
        return 0
    return result if _YEARS_NS[0] <= result < _YEARS_NS[1] else 0


def _of_utc(text: str) -> int:
    """The platform's way, ``2022-10-12T00:00:15.064Z``, without ``re``; -1 for any other."""
    fraction = text[20:-1]
    digits = text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19] + fraction
    marks = text[4:5] + text[7:8] + text[10:11] + text[13:14] + text[16:17] + text[19:20]
    if marks != ("--T::." if fraction else "--T::Z") or text[-1:] != "Z" or len(text) > 30:
        return -1
    if not (digits.isascii() and digits.isdigit()) or len(digits) != 14 + len(fraction):
        return -1
    month, day, hour = int(digits[4:6]), int(digits[6:8]), int(digits[8:10])
    minute, second = int(digits[10:12]), int(digits[12:14])
    if not (0 < month < 13 and 0 < day < 32 and hour < 24 and minute < 60 and second < 61):
        return 0
    days = _days(int(digits[:4]), month, day)
    seconds = (days * 24 + hour) * 3600 + minute * 60 + second
    return seconds * 1_000_000_000 + int(f"{fraction:0<9}"[:9])


def _of_text(text: str) -> int:
    global _pattern
    if _pattern is None:
        import re

        _pattern = re.compile(_ISO, re.ASCII | re.IGNORECASE)
    found = _pattern.fullmatch(text) if len(text) <= _LONGEST else None
    return _of_match(found) if found else 0


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
