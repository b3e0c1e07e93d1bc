"""Files of undelivered exports (segments) in a directory beside the socket.

/tmp survives when Lambda resets an environment, so that a new forwarder finds what the last one
could not deliver (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
It belongs to the function: the spool is bounded, and a full /tmp is reported once.
"""

from __future__ import annotations

import posix
from time import time_ns

from serverless_instrument.forwarder.delivery import spool_format
from serverless_instrument.forwarder.delivery.retry_queue import SHARES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.exporter.export import Export

_SEGMENT_BYTES = 2 * 1024 * 1024
_READ_BYTES = 1024 * 1024
# More than any segment of ours has; see `_segments` and `spool_format.decode_records`.
_LARGEST_BYTES = 16 * 1024 * 1024
# The prefix of segments that are not whole, which other forwarders must not read.
_UNFINISHED = "."
_ABANDONED_NS = 60_000_000_000
_OWN = 0o040700
_TYPE_AND_MODE = 0o170777


class Spool:
    """A directory of segments, bounded in bytes.

    `problem` tells why the last writing failed, "" if it did not; `lost` counts, by signal, items
    that had no room; `skipped` counts files that are not ours or damaged. No method raises.

    Args:
        directory: made with mode 0700 when first written to.
        limit_bytes: of all segments; beyond, the oldest of the fullest signal are removed.
    """

    def __init__(self, directory: str, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        # name -> bytes, the oldest first
        self._segments: dict[str, int] = {}
        self._number = 0
        self.problem = ""
        self.lost: dict[str, int] = {}
        self.skipped = 0

    def __bool__(self) -> bool:
        return bool(self._segments)

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(self._segments.values())

    def item_counts(self) -> dict[str, int]:
        """The number of items of each signal."""
        counts: dict[str, int] = {}
        for signal, count in map(spool_format.parse_name, self._segments):
            counts[signal] = counts.get(signal, 0) + count
        return counts

    def find_segments(self) -> None:
        """Find the segments that an earlier forwarder has left."""
        self._segments = {}
        try:
            if not self._ours():
                return
            names = sorted(posix.listdir(self._directory))
        except OSError:
            return
        for name in names:
            if name.startswith(_UNFINISHED):
                self._clean_up(name)
                continue
            try:
                status = posix.lstat(self._path(name))
            except OSError:
                continue
            regular = status.st_mode & 0o170000 == 0o100000 and status.st_uid == posix.geteuid()
            if regular and spool_format.parse_name(name)[0]:
                self._segments[name] = status.st_size
            else:
                self.skipped += 1

    def _clean_up(self, name: str) -> None:
        """Remove an old unfinished file, whose forwarder was killed; a young one may be in use."""
        signal, _ = spool_format.parse_name(name[len(_UNFINISHED) :])
        if (
            signal
            and time_ns() - spool_format.time_of_name_ns(name[len(_UNFINISHED) :]) > _ABANDONED_NS
        ):
            self._remove(name)

    def _ours(self) -> bool:
        status = posix.lstat(self._directory)
        return status.st_uid == posix.geteuid() and status.st_mode & _TYPE_AND_MODE == _OWN

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def write_exports(self, exports: list[Export]) -> None:
        """Write `exports`, and remove older ones where there is no room for all."""
        for group in _segments(exports):
            segment = b"".join([spool_format.encode_record(export) for export in group])
            signal, count = group[0].signal, sum([export.count for export in group])
            self._make_room(len(segment), signal)
            if self.size_bytes + len(segment) > self._limit_bytes:
                self.problem = f"more than {self._limit_bytes} bytes"
                self._lose(signal, count)
            elif not self._write_segment(segment, signal, count):
                self._lose(signal, count)

    def _lose(self, signal: str, count: int) -> None:
        self.lost[signal] = self.lost.get(signal, 0) + count

    def _make_room(self, size_bytes: int, signal: str) -> None:
        """Remove the oldest segments of the signal that exceeds its share most."""
        while self._segments and self.size_bytes + size_bytes > self._limit_bytes:
            sizes = {signal: size_bytes}
            for name, size in self._segments.items():
                of, _ = spool_format.parse_name(name)
                sizes[of] = sizes.get(of, 0) + size
            fullest = max(sizes, key=lambda of: sizes[of] / SHARES[of])
            victims = [x for x in self._segments if spool_format.parse_name(x)[0] == fullest]
            if not victims:
                return
            if self._remove(victims[0]):
                self._lose(*spool_format.parse_name(victims[0]))

    def _write_segment(self, segment: bytes, signal: str, count: int) -> bool:
        self._number += 1
        name = spool_format.segment_name(time_ns(), posix.getpid(), self._number, count, signal)
        unfinished = self._path(_UNFINISHED + name)
        try:
            try:
                posix.mkdir(self._directory, 0o700)
            except FileExistsError:
                pass
            if not self._ours():
                self.problem = f"{self._directory} is not a directory of this user's with mode 0700"
                return False
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
            descriptor = posix.open(unfinished, flags | posix.O_NOFOLLOW, 0o600)
            try:
                rest = memoryview(segment)
                while rest:
                    rest = rest[posix.write(descriptor, rest) :]
            finally:
                posix.close(descriptor)
            posix.rename(unfinished, self._path(name))
        except OSError as error:
            self.problem = error.strerror or str(error)
            self._remove(_UNFINISHED + name)
            return False
        self._segments[name] = len(segment)
        self.problem = ""
        return True

    def _remove(self, name: str) -> bool:
        self._segments.pop(name, None)
        try:
            posix.unlink(self._path(name))
        except OSError:
            return False
        return True

    def oldest_signal(self) -> str:
        """The signal of the oldest segment, "" if there is none."""
        return spool_format.parse_name(next(iter(self._segments), ""))[0]

    def take_oldest_exports(self) -> list[Export]:
        """Take out the exports of the oldest segment."""
        name = next(iter(self._segments), "")
        if not name:
            return []
        try:
            segment = self._content(self._path(name))
        except OSError:
            segment = b"?"
        # Another forwarder may have found it, too: the one that removes it has it.
        if not self._remove(name):
            return []
        exports, defect = spool_format.decode_records(segment)
        self.skipped += defect
        return exports

    @staticmethod
    def _content(path: str) -> bytes:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
        try:
            parts, size = [], 0
            while size < _LARGEST_BYTES and (part := posix.read(descriptor, _READ_BYTES)):
                parts.append(part)
                size += len(part)
        finally:
            posix.close(descriptor)
        return b"".join(parts)


def _segments(exports: list[Export]) -> list[list[Export]]:
    """`exports` in groups of one signal, each at most a segment unless one is larger."""
    groups: list[list[Export]] = []
    current: dict[str, tuple[list[Export], int]] = {}
    for export in sorted(exports, key=lambda export: export.arrival):
        group, size = current.get(export.signal, ([], _SEGMENT_BYTES))
        if size + len(export.body) > _SEGMENT_BYTES:
            group, size = [], 0
            groups.append(group)
        group.append(export)
        current[export.signal] = group, size + len(export.body)
    return groups
