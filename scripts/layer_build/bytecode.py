"""Bytecode for each chosen Python.

/opt is read-only, so a module without bytecode is compiled anew at every cold start. Bytecode is
of the unchecked-hash kind (https://peps.python.org/pep-0552/): a timestamp does not survive the
zip, and a checked hash would read each source file again.
"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from layer_build.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPILER = "layer_build.compile_lean"
# Up to Python 3.10 the bytes of a frozenset constant follow the hash seed. Columns of every
# instruction, for the carets under a traceback's lines, are a seventh of the zip and are read at
# every cold start; lines stay (https://docs.python.org/3/using/cmdline.html#envvar-PYTHONNODEBUGRANGES).
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C.UTF-8",
    "PYTHONNODEBUGRANGES": "1",
    "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    "PYTHONDONTWRITEBYTECODE": "1",
}

# Nothing in the layer imports these at its top: tables of names for other subjects (browsers,
# Kubernetes, pipelines…), commands, set-up from a file. A third of all bytecode; they stay
# importable, as source.
_SOURCE_ONLY = (
    r"/(packaging/ranges\.py"
    r"|opentelemetry/(instrumentation/auto_instrumentation"
    r"|sdk/_configuration|sdk/trace/_sampling_experimental"
    r"|semconv/_incubating/(metrics/(?!__init__|gen_ai_|http_|otel_)"
    r"|attributes/(?!__init__"
    r"|(aws|cloud|db|error|faas|gen_ai|http|messaging|net|network|otel|rpc|server|user_agent)_))))"
)


def compile_tree(python: Path, interpreters: Mapping[str, str]) -> None:
    """Write ``__pycache__`` below `python` for every version; two interpreters at a time.

    Code objects name their file as Lambda sees it, ``/opt/python/…``.

    Raises:
        BuildError: a file does not compile under one of the versions.
    """
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(_compile, python, path) for path in interpreters.values()]:
            done.result()


def _compile(python: Path, interpreter: str) -> None:
    # No -I: it would ignore the hash seed; a bare environment and / as directory isolate as well.
    command = [interpreter, "-s", "-S", "-m", _COMPILER, str(python), "/opt/python", _SOURCE_ONLY]
    answer = subprocess.run(
        command, cwd="/", env=_ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise BuildError(f"{interpreter} cannot compile the layer:\n{answer.stdout}{answer.stderr}")
