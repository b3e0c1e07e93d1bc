"""Output that does not pass through Python's own streams, and ends of the process."""

import ctypes
import os
import signal
import subprocess
import sys
import time

libc = ctypes.CDLL(None)
os.write(1, b"while importing\n")


def everywhere(event, context):
    os.write(1, b"to the descriptor\n")
    libc.printf(b"from C\n")
    libc.fflush(None)
    subprocess.run(["sh", "-c", "echo from a child; echo from its stderr >&2"])
    os.write(2, b"[ERROR] with a level\n")
    for _ in range(3):
        os.write(1, b"the same\n")
    os.write(1, b"no newline")


def ends(event, context):
    os.write(1, f"before {event}\n".encode())
    if event == "segfault":
        ctypes.string_at(0)
    if event == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


def ticks(event, context):
    for _ in range(event):
        os.write(1, f"{time.time_ns()}\n".encode())
        time.sleep(0.02)
    sys.stdout.flush()
