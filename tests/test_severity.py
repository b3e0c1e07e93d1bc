from __future__ import annotations

from serverless_instrument.severity import of_name, of_python_level


def test_severities() -> None:
    levels = [0, -5, 5, 10, 15, 20, 25, 30, 40, 45, 50, 53, 99]
    assert [of_python_level(level) for level in levels] == [
        *(0, 0, 1, 5, 8, 9, 12, 13, 17, 20, 21, 24, 24)
    ]
    assert [of_name(name) for name in ("Info", "WARN", "critical", "")] == [9, 13, 21, 0]
