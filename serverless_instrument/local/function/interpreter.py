"""Version and packages of the interpreter that the runtime process uses."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys

_PROBE = (
    "import sys, importlib.util;"
    "print('%d.%d' % sys.version_info[:2], importlib.util.find_spec('awslambdaric') is not None)"
)


class InterpreterError(Exception):
    """The interpreter cannot be used; the message names it and the remedy."""


def python_version(python: str) -> str:
    """``3.12`` for the interpreter at `python`. Raises `InterpreterError` if it does not run."""
    return _probe(python)[0]


def has_awslambdaric(python: str) -> bool:
    """True if the interpreter at `python` can import AWS's runtime client from its own site.

    Raises `InterpreterError` if the interpreter does not run.
    """
    return _probe(python)[1]


@functools.cache
def _probe(python: str) -> tuple[str, bool]:
    if python == sys.executable:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return version, importlib.util.find_spec("awslambdaric") is not None
    try:
        answer = subprocess.run(
            [python, "-c", _PROBE], check=True, capture_output=True, text=True, timeout=60
        ).stdout.split()
    except (OSError, subprocess.SubprocessError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        remedy = "give the path of a Python interpreter"
        raise InterpreterError(f"python {python}: does not run ({reason}); {remedy}") from None
    return answer[0], answer[1] == "True"
