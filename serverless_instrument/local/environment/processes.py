"""Child processes of a local Lambda: started, read, frozen, thawed and ended."""

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
        send_signal(self.pid, signal.SIGTERM)

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
        self.peak_memory_kb = max(self.peak_memory_kb, sum(map(peak_memory_kb, pids)))
        return self.peak_memory_kb

    def _signal_all(self, below: list[Descendant], number: signal.Signals) -> None:
        """To its process group, and to descendants that have left the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for process in below:
            process.signal(number)


# Looked up before the fork: between fork and exec as little as possible may happen.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that may be.

    One that is frozen could not notice (PR_SET_PDEATHSIG, prctl(2); Linux only).
    """
    with contextlib.suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
