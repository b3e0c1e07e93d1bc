"""Which modules a process has loaded when it makes a request, and when it has become idle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from benchmark.sandbox.lambda_api import LambdaApi
from benchmark.sandbox.process_cost import wait_idle
from benchmark.sandbox.processes import Subject, kill, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmark.sandbox.http_server import Request

PACKAGE = "serverless_instrument"

# Not -X importtime: it does not see what importlib.import_module loads.
# https://docs.python.org/3/using/cmdline.html#cmdoption-v
_IMPORT_LINE = re.compile(r"^import '?([\w.]+)'? # ", re.MULTILINE)


class Modules(NamedTuple):
    """Names of modules.

    `seen` were loaded when the request came; `settled` are loaded when the process has become
    idle, its request unanswered. What a process loads while it waits is in `settled`, and by
    chance in `seen`.
    """

    seen: frozenset[str]
    settled: frozenset[str]

    def over(self, bare: Modules) -> Modules:
        """Without what `bare` has loaded."""
        return Modules(self.seen - bare.settled, self.settled - bare.settled)


def ours(names: frozenset[str]) -> frozenset[str]:
    """Those of `names` that are this package's."""
    return frozenset(name for name in names if name.partition(".")[0] == PACKAGE)


def loaded(
    subject_for: Callable[[str], Subject], target: str, scratch: Path, timeout_s: float = 60
) -> Modules:
    """The modules that a process has imported when it makes the request `target`.

    `subject_for` makes the subject for a Lambda API's address; its interpreter is run with
    ``-v``, which names each module once its import is complete. These lines pass by
    ``sys.stderr``, so what an instrumented runtime loads with its first log line is among them.

    Raises:
        TimeoutError: the process did not make the request; the message holds what it printed.
    """
    output = scratch / "imports.txt"
    seen: list[frozenset[str]] = []

    def note(request: Request) -> None:
        if request.target == target and not seen:
            seen.append(_imported(output))

    with LambdaApi(held={target}, on_request=note) as api:
        process = start(_verbose(subject_for(api.address)), output)
        try:
            api.wait_for(target, timeout_s)
            wait_idle(process.pid, timeout_s)
            return Modules(seen[0], _imported(output))
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{output.read_text()[-2000:]}") from None
        finally:
            kill(process)


def _imported(output: Path) -> frozenset[str]:
    return frozenset(_IMPORT_LINE.findall(output.read_text()))


def _verbose(subject: Subject) -> Subject:
    position = subject.command.index(subject.python) + 1
    return subject._replace(
        command=[*subject.command[:position], "-v", *subject.command[position:]]
    )
