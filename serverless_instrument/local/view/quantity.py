"""Numbers with a UCUM unit, formatted for reading. Pure.

https://opentelemetry.io/docs/specs/semconv/general/metrics/#instrument-units
"""

from __future__ import annotations

import re
from math import isfinite

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_KB, _MB, _GB = 1 << 10, 1 << 20, 1 << 30
_BYTES = {"By": 1, "kBy": 10**3, "MBy": 10**6, "GBy": 10**9, "KiBy": _KB, "MiBy": _MB, "GiBy": _GB}
# Lambda's MB are of 1,048,576 bytes, and it counts memory in them up to 10,240.
_SIZES = ((16 * _GB, _GB, "GB"), (_MB, _MB, "MB"), (_KB, _KB, "KB"))
# https://www.iso.org/iso-4217-currency-codes.html; UCUM has none of them.
_CURRENCY = re.compile(r"\{[A-Z]{3}\}")
# Numbers outside these limits are shown with an exponent.
_SMALLEST, _LARGEST = 1e-4, 1e15


def format_quantity(value: float, unit: str) -> str:
    """`value` to three digits, in a unit that fits its size.

    Args:
        value: any number, the infinities and NaN as well.
        unit: in UCUM; an annotation such as ``{order}`` is left out, a currency's code is not.
    """
    if unit in _SECONDS:
        return _format_time(value * _SECONDS[unit])
    if unit in _BYTES:
        return _format_size(value * _BYTES[unit])
    if _CURRENCY.fullmatch(unit):
        unit = unit[1:-1]
    bare = unit.partition("{")[0].rstrip("/ ")
    return format_number(value) if bare in {"", "1"} else f"{format_number(value)} {bare}"


def format_percent(value: float) -> str:
    """A fraction of 1 in percent."""
    return f"{format_number(value * 100)} %"


def format_number(value: float) -> str:
    """A number without a unit: from 1000 on and whole ones in full, others to three digits."""
    value = _round(value)
    size = abs(value)
    if not isfinite(value) or size >= _LARGEST or 0 < size < _SMALLEST:
        return f"{value:.3g}"
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _round(value: float) -> float:
    return float(f"{value:.3g}") if abs(value) < 1000 else value


def _format_time(seconds: float) -> str:
    size = abs(_round(seconds))
    for least, name in _TIMES:
        # Compared after rounding: 999.6 ms are shown as a second.
        if size >= least:
            return f"{format_number(seconds / least)} {name}"
    return f"{format_number(seconds / 1e-9) if seconds else 0} {'ns' if seconds else 's'}"


def _format_size(size_bytes: float) -> str:
    for least, unit_bytes, name in _SIZES:
        if abs(size_bytes) >= least:
            return f"{format_number(size_bytes / unit_bytes)} {name}"
    return f"{format_number(size_bytes)} B"
