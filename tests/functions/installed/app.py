"""A function that carries the package itself, and does not mention it."""

import os
import signal
import subprocess
import sys


def handler(event, context):
    return {"statusCode": 200, "body": "tea", "pid": os.getpid()}


def raises(event, context):
    raise ValueError("on purpose")


def exits_once(event, context):
    """The runtime dies of an event that says so."""
    if event.get("exit"):
        os._exit(7)
    return os.getpid()


def waits_for_children(event, context):
    """What the operating system says of this process's children."""
    told = []
    signal.signal(signal.SIGCHLD, lambda number, frame: told.append(number))
    try:
        without = os.wait()
    except ChildProcessError:
        without = "no children"
    status = subprocess.run(["sh", "-c", "exit 3"], check=False).returncode
    background = subprocess.Popen(["true"])
    waited, _ = os.waitpid(-1, 0)
    forked = os.fork()
    if not forked:
        os._exit(5)
    same, code = os.wait()
    return {
        "without": without,
        "status": status,
        "waited for its own": waited == background.pid,
        "fork": [same == forked, os.waitstatus_to_exitcode(code)],
        "signals": len(told) > 0,
        "descriptors": sorted(os.listdir("/proc/self/fd"))[:3],
    }


def looks(event, context):
    return {
        "_HANDLER": os.environ.get("_HANDLER"),
        "names": sorted(name for name in os.environ if name.startswith("SERVERLESS_INSTRUMENT_")),
        "opentelemetry": "opentelemetry" in sys.modules,
    }
