"""Which modules a process has loaded by the time it makes a given request."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from start_cost.lambda_stub import LambdaStub
from start_cost.processes import Subject, kill, start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from start_cost.http_server import Request

# Not -X importtime: it does not see what importlib.import_module loads.
# https://docs.python.org/3/using/cmdline.html#cmdoption-v
_IMPORT_LINE = re.compile(r"^import '?([\w.]+)'? # ", re.MULTILINE)


def loaded(
    subject_for: Callable[[str], Subject],
    targets: Sequence[str],
    scratch: Path,
    timeout_s: float = 60,
) -> dict[str, list[str]]:
    """{request: names of the modules imported before it was sent}, for each of `targets`.

    `subject_for` makes the subject for a Lambda API's address; its interpreter is run with
    ``-v``, which names each module once its import is complete. The last of `targets` ends the
    measurement. These lines pass by ``sys.stderr``, so what an instrumented runtime loads with its
    first log line is among them.

    Raises:
        TimeoutError: the process did not make a request; the message holds what it printed.
    """
    output = scratch / "imports.txt"
    seen: dict[str, list[str]] = {}

    def note(request: Request) -> None:
        # The stub has not answered yet; what the process loads while it waits may be seen, too.
        if request.target in targets:
            seen.setdefault(request.target, _IMPORT_LINE.findall(output.read_text()))

    with LambdaStub(on_request=note) as stub:
        process = start(with_options(subject_for(stub.address), "-v"), output)
        try:
            stub.wait_for(targets[-1], timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{output.read_text()[-2000:]}") from None
        finally:
            kill(process)
    return seen


def with_options(subject: Subject, *options: str) -> Subject:
    """The same subject with more options for its interpreter."""
    position = subject.command.index(sys.executable) + 1
    command = [*subject.command[:position], *options, *subject.command[position:]]
    return subject._replace(command=command)
