"""The exec wrapper: what it makes of the environment, run by the machine's own shells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import serverless_instrument

EXEC = Path(serverless_instrument.__file__).parent / "wrapper" / "exec"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
REDIRECTED = "serverless_instrument.wrapper.bootstrap.handler"


def environment_after(shell: str, task: Path, handler: str, **environ: str) -> dict[str, str]:
    """What a runtime that the wrapper starts has in its environment."""
    program = [shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else []), str(EXEC)]
    command = [*program, shutil.which("env") or "env", "-0"]
    environ = {"_HANDLER": handler, "LAMBDA_TASK_ROOT": str(task), **environ}
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return dict(entry.split("=", 1) for entry in result.stdout.split("\0") if entry)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_handler_is_redirected(shell: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch(mode=0o755)  # executable, but no handler is called by its name
    environ = environment_after(shell, tmp_path, "app.handler")
    assert environ["_HANDLER"] == REDIRECTED
    assert environ["SERVERLESS_INSTRUMENT_HANDLER"] == "app.handler"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["run.sh", "bin/server"])
def test_a_program_as_handler_is_left_alone(shell: str, name: str, tmp_path: Path) -> None:
    """As with the Lambda Web Adapter, whose wrapper starts what _HANDLER names."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch(mode=0o755)
    environ = environment_after(shell, tmp_path, name)
    assert environ["_HANDLER"] == name
    assert "SERVERLESS_INSTRUMENT_HANDLER" not in environ


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("mode", [0o644, None])
def test_what_cannot_be_executed_is_a_handler(shell: str, mode: int | None, tmp_path: Path) -> None:
    if mode is None:
        (tmp_path / "app.handler").mkdir()
    else:
        (tmp_path / "app.handler").touch(mode=mode)
    environ = environment_after(shell, tmp_path, "app.handler")
    assert environ["_HANDLER"] == REDIRECTED
