"""Split the bytes that a process writes into log records. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
MAX_LINE_BYTES = 256 * 1024

# awslambdaric's FramedTelemetryLogSink: type, length in bytes, time in microseconds; big endian.
_FRAME_HEADER = struct.Struct("!IIQ")
_FRAME_TYPE_MASK, _FRAME_TYPE = 0xFFFFFF00, 0xA55A0000


@dataclass(frozen=True)
class LogRecord:
    """One record of a log stream; `time_unix_ns` is None where the stream carries no time."""

    text: str
    time_unix_ns: int | None = None


class LineReader:
    """Splits stdout and stderr into lines, whatever portions the bytes come in."""

    def __init__(self) -> None:
        self._partial = bytearray()

    def read_records(self, data: bytes) -> list[LogRecord]:
        """The lines that `data` completes; a line over `MAX_LINE_BYTES` is cut into several."""
        self._partial += data
        *lines, rest = bytes(self._partial).split(b"\n")
        pieces = [piece for line in lines for piece in _pieces(line.removesuffix(b"\r"))]
        while len(rest) >= MAX_LINE_BYTES:
            pieces.append(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._partial[:] = rest
        return [_record(piece) for piece in pieces]

    def read_rest(self) -> list[LogRecord]:
        """The last line, where it has no newline; else nothing."""
        rest = bytes(self._partial)
        self._partial.clear()
        return [_record(rest)] if rest else []


class FrameReader:
    """Splits the bytes of ``_LAMBDA_TELEMETRY_LOG_FD`` into one record per frame.

    A message may contain newlines, which a line reader would split.
    """

    def __init__(self) -> None:
        self._partial = bytearray()

    def read_records(self, data: bytes) -> list[LogRecord]:
        """The frames that `data` completes; bytes that are no frame become one record."""
        self._partial += data
        records, position = [], 0
        while len(self._partial) - position >= _FRAME_HEADER.size:
            kind, length, time_us = _FRAME_HEADER.unpack_from(self._partial, position)
            if kind & _FRAME_TYPE_MASK != _FRAME_TYPE:
                records.append(_record(bytes(self._partial[position:])))
                position = len(self._partial)
                break
            end = position + _FRAME_HEADER.size + length
            if end > len(self._partial):
                break
            message = bytes(self._partial[position + _FRAME_HEADER.size : end])
            records.append(_record(message.removesuffix(b"\n"), time_us * 1000))
            position = end
        del self._partial[:position]
        return records

    def read_rest(self) -> list[LogRecord]:
        """The part of a message that a process had written when it died; else nothing."""
        rest = bytes(self._partial[_FRAME_HEADER.size :])
        self._partial.clear()
        return [_record(rest)] if rest else []


def _pieces(line: bytes) -> list[bytes]:
    cuts = range(0, max(len(line), 1), MAX_LINE_BYTES)
    return [line[start : start + MAX_LINE_BYTES] for start in cuts]


def _record(raw: bytes, time_unix_ns: int | None = None) -> LogRecord:
    return LogRecord(raw.decode("utf-8", "replace"), time_unix_ns)
