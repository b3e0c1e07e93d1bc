"""Standard streams that are watched, where a process of its own is needed."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent


def test_a_daemon_thread_that_ends_with_the_lock() -> None:
    """What is written while the interpreter ends waits for no thread that is no more."""
    source = """
        import threading, time
        from serverless_instrument.wrapper.output_tee import OutputTee

        writing = threading.Event()

        class Stream:
            def write(self, text):
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
        last = Last(stream)
    """
    subprocess.run([sys.executable, "-c", dedent(source)], check=True, timeout=60)
