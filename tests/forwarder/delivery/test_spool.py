"""Segments on disk: written, found again, bounded; what is not ours is left alone."""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.delivery import spool_format
from serverless_instrument.forwarder.delivery.spool import Spool
from serverless_instrument.forwarder.exporter.export import Export

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_BYTES = 10_000


def export(number: int, size_bytes: int = 100, signal: str = "traces", arrival: int = 0) -> Export:
    one = Export(signal, number.to_bytes(4, "big").rjust(size_bytes, b"."), number + 1)
    one.arrival = arrival or number + 1
    return one


def bodies(exports: list[Export]) -> list[tuple[str, str, bytes, int]]:
    return [(one.signal, one.route, one.body, one.count) for one in exports]


def everything(spool: Spool) -> list[Export]:
    found: list[Export] = []
    while spool:
        found += spool.take_oldest_exports()
    return found


EXPORTS = st.lists(
    st.builds(
        Export,
        st.sampled_from(["traces", "logs", "metrics"]),
        st.binary(max_size=50),
        st.integers(0, 2**32 - 1),
        st.text(max_size=20),
    )
)


@given(EXPORTS)
def test_a_segment_comes_back_whole(exports: list[Export]) -> None:
    segment = b"".join(map(spool_format.encode_record, exports))
    found, defect = spool_format.decode_records(segment)
    assert bodies(found) == bodies(exports)
    assert not defect


@given(EXPORTS, st.data())
def test_what_stands_before_a_defect_comes_back(exports: list[Export], data: st.DataObject) -> None:
    records = [spool_format.encode_record(one) for one in exports]
    segment = bytearray(b"".join(records))
    if not segment:
        return
    at = data.draw(st.integers(0, len(segment) - 1))
    if data.draw(st.booleans()):
        del segment[at:]
    else:
        segment[at] ^= data.draw(st.integers(1, 255))
    found, defect = spool_format.decode_records(bytes(segment))
    whole, end = 0, 0
    while end + len(records[whole]) <= at:
        end += len(records[whole])
        whole += 1
    assert bodies(found) == bodies(exports[:whole])
    assert defect == (end < len(segment))


def test_a_route_that_would_go_on_after_the_end_is_a_defect() -> None:
    segment = bytearray(spool_format.encode_record(Export("traces", b"", 0, "")))
    segment[6] += 1  # its length
    assert spool_format.decode_records(bytes(segment)) == ([], True)


@given(st.binary(max_size=200))
def test_garbage_is_a_defect(data: bytes) -> None:
    assert spool_format.decode_records(data) == ([], bool(data))


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".segment",
        "traces.segment",
        "1-2-3-4-traces",
        "1-2-3-4-spans.segment",
        "1-2-3-traces.segment",
        "1-2-3-x-traces.segment",
        "1-2-3-²-traces.segment",
        "-1-2-3-4-traces.segment",
        "1-2-3-" + "9" * 5000 + "-traces.segment",
    ],
)
def test_names_that_are_none_of_ours(name: str) -> None:
    assert spool_format.parse_name(name) == ("", 0)


def test_a_name_says_what_there_is() -> None:
    name = spool_format.segment_name(1_700_000_000_000_000_000, 17, 3, 250, "logs")
    assert spool_format.parse_name(name) == ("logs", 250)


def test_written_and_found_again_by_another_forwarder(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    first = Spool(str(directory), LIMIT_BYTES)
    first.write_exports([export(0), export(1, signal="logs"), export(2)])
    assert first.item_counts() == {"traces": 4, "logs": 2}
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert {path.stat().st_mode & 0o7777 for path in directory.iterdir()} == {0o600}
    second = Spool(str(directory), LIMIT_BYTES)
    second.find_segments()
    assert second.size_bytes == first.size_bytes > 0
    assert second.item_counts() == first.item_counts()
    assert second.oldest_signal() == "traces"
    assert sorted(bodies(everything(second))) == sorted(
        bodies([export(0), export(1, signal="logs"), export(2)])
    )
    assert list(directory.iterdir()) == []
    assert (second.skipped, second.oldest_signal(), second.take_oldest_exports()) == (0, "", [])
    # The first finds nothing any more, and says nothing.
    assert everything(first) == []


def test_what_is_not_ours_is_counted_and_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    Spool(str(directory), LIMIT_BYTES).write_exports([export(0)])
    foreign = directory / "notes.txt"
    foreign.write_text("mine")
    (directory / spool_format.segment_name(1, 1, 1, 1, "logs")).mkdir()
    outside = tmp_path / "outside"
    outside.write_text("secret")
    (directory / spool_format.segment_name(2, 1, 1, 1, "logs")).symlink_to(outside)
    spool = Spool(str(directory), LIMIT_BYTES)
    spool.find_segments()
    assert spool.skipped == 3
    assert bodies(everything(spool)) == bodies([export(0)])
    assert foreign.read_text() == "mine"
    assert outside.read_text() == "secret"


def test_what_somebody_still_writes_is_left_alone_and_what_nobody_finishes_removed(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "spool"
    directory.mkdir(mode=0o700)
    fresh = "." + spool_format.segment_name(time.time_ns(), 1, 1, 1, "logs")
    old = "." + spool_format.segment_name(1, 1, 1, 1, "logs")
    for name in (fresh, old, ".hidden"):
        (directory / name).write_bytes(b"half")
    spool = Spool(str(directory), LIMIT_BYTES)
    spool.find_segments()
    assert (bool(spool), spool.skipped) == (False, 0)
    assert sorted(path.name for path in directory.iterdir()) == sorted([fresh, ".hidden"])


def test_a_truncated_segment_is_counted_and_removed(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    Spool(str(directory), LIMIT_BYTES).write_exports([export(0), export(1)])
    (path,) = directory.iterdir()
    os.truncate(path, path.stat().st_size - 1)
    spool = Spool(str(directory), LIMIT_BYTES)
    spool.find_segments()
    assert bodies(spool.take_oldest_exports()) == bodies([export(0)])
    assert spool.skipped == 1
    assert list(directory.iterdir()) == []


def test_a_segment_that_vanished_or_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    spool = Spool(str(directory), LIMIT_BYTES)
    spool.write_exports([export(0)])
    spool.write_exports([export(1)])
    min(directory.iterdir()).unlink()
    assert spool.take_oldest_exports() == []
    assert bodies(spool.take_oldest_exports()) == bodies([export(1)])


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_directory_that_others_can_enter_is_not_used(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    directory.chmod(mode)
    (directory / spool_format.segment_name(1, 1, 1, 1, "logs")).write_bytes(b"")
    spool = Spool(str(directory), LIMIT_BYTES)
    spool.find_segments()
    assert not spool
    spool.write_exports([export(4)])
    assert spool.lost == {"traces": 5}
    assert "mode 0700" in spool.problem


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "missing" / "spool"), LIMIT_BYTES)
    spool.find_segments()
    spool.write_exports([export(4)])
    assert spool.lost == {"traces": 5}
    assert spool.problem == "No such file or directory"


def test_the_oldest_of_the_fullest_signal_go(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"), LIMIT_BYTES)
    spool.write_exports([export(0, 3000)])
    for number in range(1, 9):
        spool.write_exports([export(number, 2000, "logs")])
        assert spool.size_bytes <= LIMIT_BYTES
    assert spool.lost == {"logs": sum(range(2, 7))}
    assert [one.count for one in everything(spool)] == [1, 7, 8, 9]


def test_more_than_the_limit_at_once_is_lost_without_harm_to_others(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"), LIMIT_BYTES)
    spool.write_exports([export(0)])
    spool.write_exports([export(7, LIMIT_BYTES + 1, "logs")])
    assert spool.lost == {"logs": 8}
    assert "more than 10000 bytes" in spool.problem
    assert [one.count for one in everything(spool)] == [1]


def test_exports_are_grouped_by_signal_in_segments_of_bounded_size(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    spool = Spool(str(directory), 100 * 1024 * 1024)
    spool.write_exports([export(number, 500_000, arrival=9 - number) for number in range(9)])
    sizes = sorted(path.stat().st_size for path in directory.iterdir())
    assert len(sizes) == 3
    assert sizes[-1] < 2.1 * 1024 * 1024
    assert [one.count for one in everything(spool)] == list(range(9, 0, -1))


def test_a_full_disk_is_said_and_counted(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    # A limit on file size raises OSError from write, as a full disk does.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
    try:
        spool = Spool(str(directory), LIMIT_BYTES)
        spool.write_exports([export(4)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert spool.lost == {"traces": 5}
    assert spool.problem
    assert list(directory.iterdir()) == []
