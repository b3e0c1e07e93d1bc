"""The output of a child process, read as log records while it is written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from serverless_instrument.local.environment.log_stream import FrameReader, LineReader, LogRecord

OnRecord = Callable[[LogRecord], None]

_READ_BYTES = 64 * 1024
# The default of /proc/sys/fs/pipe-max-size, pipe(7).
_PIPE_BYTES = 1024 * 1024


class OutputPipe:
    """The read end of a pipe whose bytes become log records as they arrive."""

    def __init__(self, reader: LineReader | FrameReader, on_record: OnRecord) -> None:
        self._reader = reader
        self._on_record = on_record
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_fd, self._read_once)

    def drain(self) -> None:
        """Read the bytes that are in the pipe now.

        At most what a pipe can hold: a process may write faster than this reads.
        """
        for _ in range(_PIPE_BYTES // _READ_BYTES):
            if not self._read_once():
                return

    def _read_once(self) -> bool:
        """Read once; False if there was nothing."""
        if self._read_fd < 0:
            return False
        try:
            data = os.read(self._read_fd, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._close()
            return False
        self._pass_on(self._reader.read_records(data))
        return True

    def close_write_end(self) -> None:
        """Close this process's write end, so that the child's exit ends the stream."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def finish(self) -> None:
        """Read the rest and close, even where a surviving grandchild holds the write end open."""
        self.close_write_end()
        self.drain()
        self._close()

    def _close(self) -> None:
        if self._read_fd < 0:
            return
        self._loop.remove_reader(self._read_fd)
        os.close(self._read_fd)
        self._read_fd = -1
        self._pass_on(self._reader.read_rest())

    def _pass_on(self, records: Sequence[LogRecord]) -> None:
        for record in records:
            self._on_record(record)
