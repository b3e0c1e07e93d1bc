"""Child processes of a local Lambda: their start, output, freeze, thaw and end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from typing import TYPE_CHECKING

from serverless_instrument.local.environment.log_stream import FrameReader, LineReader
from serverless_instrument.local.environment.output_pipe import OnRecord, OutputPipe
from serverless_instrument.local.environment.process_tree import (
    Descendant,
    descendants,
    peak_memory_kb,
    send_signal,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


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
                preexec_fn=_end_with_parent,
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
        """Wait for its end and for the rest of its output; returns the exit code."""
        exit_code = await self._process.wait()
        for pipe in self._pipes:
            pipe.finish()
        # Processes that it leaves behind end with it, as in an execution environment.
        self._signal_all(self._last_seen, signal.SIGKILL)
        return exit_code

    def drain_output(self) -> None:
        """Read what it has written so far."""
        for pipe in self._pipes:
            pipe.drain()

    def freeze(self) -> None:
        """Stop it and its descendants, as the platform does between invocations."""
        self._signal_all(self._find_descendants(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue it and its descendants."""
        self._signal_all(self._last_seen, signal.SIGCONT)

    def terminate(self) -> None:
        """Send SIGTERM to the process alone, not to its descendants."""
        self._find_descendants()
        send_signal(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to it and to its descendants."""
        self._signal_all(self._find_descendants(), signal.SIGKILL)

    def _find_descendants(self) -> list[Descendant]:
        """Its descendants; of a process that has ended, those that were found last."""
        if self.exit_code is None:
            self._last_seen = descendants(self.pid)
        return self._last_seen

    def measure_memory(self) -> int:
        """Its peak resident memory so far in KiB, its children's included."""
        pids = [self.pid, *(process.pid for process in descendants(self.pid))]
        self.peak_memory_kb = max(self.peak_memory_kb, sum(map(peak_memory_kb, pids)))
        return self.peak_memory_kb

    def _signal_all(self, below: list[Descendant], number: signal.Signals) -> None:
        """Signal its process group, and descendants that have left the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for process in below:
            process.signal(number)


# Loaded before the fork: little may be done between fork and exec.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Make the kernel kill this process when its parent ends (PR_SET_PDEATHSIG, prctl(2)).

    A frozen process could not notice the end of its parent. Linux only.
    """
    with contextlib.suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
