"""Every value of the flush and queue settings: used, or one warning and the default."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.delivery.flush_settings import FlushSettings

FLUSH = "SERVERLESS_INSTRUMENT_FLUSH"
QUEUE = "SERVERLESS_INSTRUMENT_QUEUE_BYTES"
SPOOL = "SERVERLESS_INSTRUMENT_SPOOL_BYTES"
MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("value", "kind", "interval_ms"),
    [
        ("", "adaptive", 10_000),
        ("adaptive", "adaptive", 10_000),
        ("END", "end", 10_000),
        ("periodically", "periodically", 10_000),
        (" Periodically , 500 ", "periodically", 500),
        ("continuously", "continuously", 1_000),
        ("continuously,10", "continuously", 10),
        ("continuously,3600000", "continuously", 3_600_000),
    ],
)
def test_good_values(value: str, kind: str, interval_ms: int) -> None:
    settings = FlushSettings({FLUSH: value})
    assert (settings.kind, settings.interval_ms) == (kind, interval_ms)
    assert settings.warnings == []


@pytest.mark.parametrize(
    ("value", "kind", "interval_ms", "part"),
    [
        ("always", "adaptive", 10_000, "using adaptive: set it to adaptive, end, "),
        (",500", "adaptive", 10_000, "using adaptive: set it to"),
        ("periodically,", "periodically", 10_000, "using periodically,10000: give milliseconds"),
        ("periodically,9", "periodically", 10_000, "from 10 to 3600000"),
        ("periodically,3600001", "periodically", 10_000, "from 10 to 3600000"),
        ("continuously,1s", "continuously", 1_000, "using continuously,1000"),
        ("continuously,-5", "continuously", 1_000, "using continuously,1000"),
        ("continuously,²", "continuously", 1_000, "using continuously,1000"),
        ("continuously," + "9" * 5000, "continuously", 1_000, "using continuously,1000"),
        ("end,5", "end", 10_000, "using end, which takes no milliseconds"),
        ("adaptive,500", "adaptive", 10_000, "using adaptive, which takes no"),
    ],
)
def test_bad_values_are_one_warning(value: str, kind: str, interval_ms: int, part: str) -> None:
    settings = FlushSettings({FLUSH: value})
    assert (settings.kind, settings.interval_ms) == (kind, interval_ms)
    (warning,) = settings.warnings
    assert warning.startswith(f'{FLUSH}="')
    assert part in warning


@pytest.mark.parametrize("value", ["", "adaptive", "continuously,500"])
def test_without_a_word_of_the_end_nothing_waits_for_it(value: str) -> None:
    assert FlushSettings({FLUSH: value}, told_of_shutdown=False).kind == "end"


@pytest.mark.parametrize("told", [True, False])
def test_managed_instances_are_not_frozen(*, told: bool) -> None:
    settings = FlushSettings({**MANAGED, FLUSH: "periodically,700"}, told_of_shutdown=told)
    assert not settings.frozen
    assert (settings.kind, settings.interval_ms) == ("periodically", 700)
    assert FlushSettings({}).frozen


@pytest.mark.parametrize(
    ("environ", "queue_bytes", "spool_bytes", "warnings"),
    [
        ({}, 8 * MIB, 32 * MIB, 0),
        ({QUEUE: "4194304", SPOOL: "0"}, 4 * MIB, 0, 0),
        ({QUEUE: " 20000000 ", SPOOL: "1"}, 20_000_000, 1, 0),
        ({QUEUE: "4194303", SPOOL: "-1"}, 8 * MIB, 32 * MIB, 2),
        ({QUEUE: "8MB", SPOOL: "9" * 5000}, 8 * MIB, 32 * MIB, 2),
        ({QUEUE: "", SPOOL: "²"}, 8 * MIB, 32 * MIB, 1),
    ],
)
def test_bytes(environ: dict[str, str], queue_bytes: int, spool_bytes: int, warnings: int) -> None:
    settings = FlushSettings(environ)
    assert (settings.queue_bytes, settings.spool_bytes) == (queue_bytes, spool_bytes)
    assert len(settings.warnings) == warnings


@pytest.mark.parametrize(
    ("path", "directory"),
    [("", "/tmp/.serverless-instrument/spool"), ("/x/y.sock", "/x/spool"), ("y.sock", "./spool")],
)
def test_the_spool_is_beside_the_socket(path: str, directory: str) -> None:
    settings = FlushSettings({"SERVERLESS_INSTRUMENT_SOCKET": path})
    assert settings.spool_directory == directory


@given(st.text(), st.text(), st.text())
def test_any_text_is_settings_and_lines(flush: str, queue: str, spool: str) -> None:
    settings = FlushSettings({FLUSH: flush, QUEUE: queue, SPOOL: spool})
    assert 10 <= settings.interval_ms <= 3_600_000
    for warning in settings.warnings:
        assert warning.isprintable()
        assert len(warning) < 300
