"""Instructions a start executes: stable to a thousandth where time flickers.

https://valgrind.org/docs/manual/cl-manual.html
"""

from __future__ import annotations

import re
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.sandbox.lambda_api import LambdaApi
from benchmark.sandbox.processes import Subject, kill, start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COLLECTED = re.compile(rb"^==(\d+)== Collected : (\d+)", re.MULTILINE)


def available() -> bool:
    """Is valgrind installed?"""
    return shutil.which("valgrind") is not None


def count(
    subject_for: Callable[[str], Subject],
    target: str,
    scratch: Path,
    timeout_s: float = 300,
    events: Sequence[bytes] = (),
) -> int:
    """Instructions executed, kernel excluded, until the process makes the request `target`.

    With `events` the runtime is invoked with each of them in turn, and counted until it makes
    the request once more. The hash seed is fixed, since the layout of dicts moves the count by a
    thousandth.

    Raises:
        TimeoutError: the request did not come; the message holds what the process printed.
    """
    # Of its own, so that two may run at a time.
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="callgrind-", delete=False) as file:
        output = Path(file.name)
    prefix = [
        shutil.which("valgrind") or "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
    ]
    with LambdaApi(runtime_events=events) as api:
        subject = subject_for(api.address)
        subject = subject._replace(environ={**subject.environ, "PYTHONHASHSEED": "0"})
        process = start(subject, output, prefix)
        try:
            api.wait_for(target, timeout_s, count=1 + len(events))
            process.send_signal(signal.SIGTERM)  # callgrind prints its total on the way out
            process.wait(timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{output.read_text()[-2000:]}") from None
        finally:
            kill(process)
    totals = _COLLECTED.findall(output.read_bytes())
    if not totals:
        raise TimeoutError(f"callgrind printed no total:\n{output.read_text()[-2000:]}")
    return int(totals[-1][1])
