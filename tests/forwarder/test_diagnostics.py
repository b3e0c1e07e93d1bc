"""Each subject is reported once, until it is well again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from serverless_instrument.forwarder.diagnostics import Reporter, say

if TYPE_CHECKING:
    import pytest


def test_a_subject_is_reported_once_until_it_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    report = Reporter().report
    for subject, message in (
        ("a", "one"),
        ("a", "two"),
        ("b", "three"),
        ("a", ""),
        ("a", "four"),
    ):
        report(subject, message)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"serverless-instrument: {text}" for text in ("one", "three", "four")]


def test_a_closed_stderr_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/null", "w", encoding="utf-8") as closed:
        pass
    monkeypatch.setattr(sys, "stderr", closed)
    say("nobody reads this")
