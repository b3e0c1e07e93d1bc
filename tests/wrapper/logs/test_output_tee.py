"""Watched standard streams at interpreter exit, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent


def test_a_daemon_thread_that_ends_with_the_lock() -> None:
    """A write during interpreter exit does not wait for a thread that has ended."""
    source = """
        import sys, threading, time, types
        from serverless_instrument.wrapper.logs.output_tee import OutputTee

        writing = threading.Event()

        class Stream:
            def write(self, text):
                print(text, flush=True)
                if text == "daemon":
                    writing.set()
                    time.sleep(1000)

        class Last:
            def __init__(self, stream):
                self.stream = stream
            def __del__(self):
                self.stream.write("last")

        stream = Stream()
        assert OutputTee(stream, lambda text: None).install()
        threading.Thread(target=stream.write, args=["daemon"], daemon=True).start()
        assert writing.wait(60)
        # Not a global of this module, which the sleeping thread keeps alive.
        sys.modules["ends"] = types.ModuleType("ends")
        sys.modules["ends"].last = Last(stream)
    """
    command = [sys.executable, "-c", dedent(source)]
    finished = subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert finished.stdout.split() == [b"daemon", b"last"]
