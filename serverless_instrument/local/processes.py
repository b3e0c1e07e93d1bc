"""Child processes of a local Lambda: started, read, frozen, thawed and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
        self._last_seen: list[Descendant] = []

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
        # What it leaves behind ends with it, as everything in the environment does.
        self._signal_all(self._last_seen, signal.SIGKILL)
        return exit_code

    def drain(self) -> None:
        """Put on record what it has written so far."""
        for pipe in self._pipes:
            pipe.drain()

    def freeze(self) -> None:
        """Stop it and its children where they stand, as the platform does between invocations."""
        self._signal_all(self._look(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it and its children go on."""
        self._signal_all(self._last_seen, signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM to the process itself; its children are its own affair."""
        self._look()
        _signal(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to it and to its children."""
        self._signal_all(self._look(), signal.SIGKILL)

    def _look(self) -> list[Descendant]:
        """Its descendants; those of a process that has ended are no longer to be found."""
        if self.exit_code is None:
            self._last_seen = descendants(self.pid)
        return self._last_seen

    def measure_memory(self) -> int:
        """Its peak resident memory so far in KiB, its children's included."""
        pids = [self.pid, *(process.pid for process in descendants(self.pid))]
        self.peak_memory_kb = max(self.peak_memory_kb, sum(map(_peak_memory_kb, pids)))
        return self.peak_memory_kb

    def _signal_all(self, below: list[Descendant], number: signal.Signals) -> None:
        """To its process group, and to descendants that have left the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for process in below:
            process.signal(number)


@dataclass(frozen=True)
class Descendant:
    """A process below ours; its start time tells it from a later one with the same id."""

    pid: int
    start_time_ticks: int

    def signal(self, number: signal.Signals) -> None:
        """Signal it if it still is what it was."""
        stat = _stat(self.pid)
        if stat is not None and stat[1] == self.start_time_ticks:
            _signal(self.pid, number)


def descendants(pid: int) -> list[Descendant]:
    """Processes below `pid`, whatever session they are in; none where there is no /proc."""
    children: dict[int, list[Descendant]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        stat = _stat(int(entry)) if entry.isdigit() else None
        if stat is not None:
            parent_pid, start_time_ticks = stat
            child = Descendant(int(entry), start_time_ticks)
            children.setdefault(parent_pid, []).append(child)
    found: list[Descendant] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += [child.pid for child in below]
    return found


def _stat(pid: int) -> tuple[int, int] | None:
    """(parent's process id, start time in clock ticks), or None if there is no such process.

    The second field, the command in parentheses, may hold anything; fields 4 and 22 are the
    second and the twentieth after it (proc_pid_stat(5)).
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[19])


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _peak_memory_kb(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(("VmHWM:", "VmRSS:")):  # VmHWM comes first where the kernel has it
                return int(line.split()[1])
    return 0
