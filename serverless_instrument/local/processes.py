"""Child processes of a local Lambda: started, read, frozen, thawed and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from serverless_instrument.local.log_stream import FrameReader, LineReader, LogRecord

if TYPE_CHECKING:
    from pathlib import Path

OnRecord = Callable[[LogRecord], None]

_READ_BYTES = 64 * 1024


class OutputPipe:
    """The read end of a pipe whose bytes become log records as they arrive."""

    def __init__(self, reader: LineReader | FrameReader, on_record: OnRecord) -> None:
        self._reader = reader
        self._on_record = on_record
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_fd, self.drain)

    def drain(self) -> None:
        """Read all there is now. What a process wrote before it called us is then on record."""
        while self._read_fd >= 0:
            try:
                data = os.read(self._read_fd, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._close()
                return
            self._emit(self._reader.feed(data))

    def close_write_end(self) -> None:
        """Leave the write end to the child, so that its exit ends the stream."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def finish(self) -> None:
        """Read the rest and stop, even where a surviving grandchild holds the write end open."""
        self.close_write_end()
        self.drain()
        self._close()

    def _close(self) -> None:
        if self._read_fd < 0:
            return
        self._loop.remove_reader(self._read_fd)
        os.close(self._read_fd)
        self._read_fd = -1
        self._emit(self._reader.close())

    def _emit(self, records: Sequence[LogRecord]) -> None:
        for record in records:
            self._on_record(record)


class ChildProcess:
    """One process in a session of its own, its output read as records."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, pipes: list[OutputPipe]):
        self.name = name
        self.started_unix_ns = time.time_ns()
        self.peak_memory_kb = 0
        self._process = process
        self._pipes = pipes

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        on_record: OnRecord,
        framed_log_variable: str | None = None,
    ) -> ChildProcess:
        """Start `command`; its stdout and stderr go to `on_record` line by line.

        Args:
            command: path of the program and its arguments.
            environment: the whole environment of the process.
            directory: its working directory.
            on_record: called in the event loop for each record.
            framed_log_variable: name of a variable that is to hold the number of a descriptor
                for awslambdaric's framed log messages.

        Raises:
            OSError: the program cannot be executed.
        """
        output = OutputPipe(LineReader(), on_record)
        pipes = [output]
        variables = dict(environment)
        if framed_log_variable:
            frames = OutputPipe(FrameReader(), on_record)
            pipes.append(frames)
            variables[framed_log_variable] = str(frames.write_fd)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=variables,
                cwd=directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.write_fd,
                stderr=output.write_fd,
                pass_fds=[pipe.write_fd for pipe in pipes[1:]],
                start_new_session=True,
            )
        except OSError:
            for pipe in pipes:
                pipe.finish()
            raise
        for pipe in pipes:
            pipe.close_write_end()
        return cls(os.path.basename(command[0]), process, pipes)

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a negative code is the signal that ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Its exit code, once it has ended and its output has been read."""
        exit_code = await self._process.wait()
        for pipe in self._pipes:
            pipe.finish()
        # What it left behind in its group ends with it, as everything in the environment does.
        self._signal_group(signal.SIGKILL)
        return exit_code

    def drain(self) -> None:
        """Put on record what it has written so far."""
        for pipe in self._pipes:
            pipe.drain()

    def freeze(self) -> None:
        """Stop it and its children where they stand, as the platform does between invocations."""
        for pid in descendants(self.pid):
            _signal(pid, signal.SIGSTOP)
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it and its children go on."""
        for pid in descendants(self.pid):
            _signal(pid, signal.SIGCONT)
        self._signal_group(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM to the process itself; its children are its own affair."""
        if self.exit_code is None:
            _signal(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to it and to its children."""
        for pid in descendants(self.pid):
            _signal(pid, signal.SIGKILL)
        self._signal_group(signal.SIGKILL)

    def measure_memory(self) -> int:
        """Its peak resident memory so far in KiB, its children's included."""
        pids = [self.pid, *descendants(self.pid)]
        self.peak_memory_kb = max(self.peak_memory_kb, sum(map(_peak_memory_kb, pids)))
        return self.peak_memory_kb

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def descendants(pid: int) -> list[int]:
    """Process ids below `pid`, whatever session they are in; empty where /proc does not tell."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                for child in map(int, file.read().split()):
                    found += [child, *descendants(child)]
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _peak_memory_kb(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(("VmHWM:", "VmRSS:")):  # VmHWM comes first where the kernel has it
                return int(line.split()[1])
    return 0
