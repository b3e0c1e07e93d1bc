"""The exec wrapper: what it makes of the environment, run by the machine's own shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import serverless_instrument
from serverless_instrument.wrapper import bootstrap

EXEC = Path(serverless_instrument.__file__).parent / "wrapper" / "exec"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
REDIRECTED = "serverless_instrument.wrapper.bootstrap.handler"


def environment_after(shell: str, task: Path, handler: str, **environ: str) -> dict[str, str]:
    """What a runtime that the wrapper starts has in its environment."""
    program = [shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else []), str(EXEC)]
    command = [*program, shutil.which("env") or "env", "-0"]
    environ = {"_HANDLER": handler, "LAMBDA_TASK_ROOT": str(task), **environ}
    result = subprocess.run(
        command, env=environ, cwd=task, capture_output=True, text=True, check=True
    )
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


GIVEN: dict[str, dict[str, str]] = {
    "nothing": {},
    "values over several lines": {"A": "x\ny=1\n", "B": "", "C": "PWD"},
    "what a shell gives": {"PWD": "/", "SHLVL": "3", "OLDPWD": "/usr"},
    "names of the wrapper's own kind": {"root": "a", "directory": "b", "next": "c", "name": "d"},
    "a path": {"PYTHONPATH": "/one:/two"},
    "a path with our entry": {"PYTHONPATH": f"{EXEC.parents[2]}:/two"},
    "an empty path": {"PYTHONPATH": ""},
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("kind", GIVEN)
def test_the_function_gets_the_environment_that_it_was_given(
    shell: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict(GIVEN[kind])
    if "PWD" in given:
        given["PWD"] = str(tmp_path)  # a shell corrects another
    environ = environment_after(shell, tmp_path, "app.handler", **given)
    monkeypatch.setattr(os, "environ", environ)
    bootstrap._restore_environment()
    del environ["SERVERLESS_INSTRUMENT_HANDLER"]
    assert environ == {"_HANDLER": REDIRECTED, "LAMBDA_TASK_ROOT": str(tmp_path), **given}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_path_leads_to_our_package_last(shell: str, tmp_path: Path) -> None:
    for given, expected in (("/one:/two", ["/one", "/two"]), ("", [])):
        environ = environment_after(shell, tmp_path, "app.handler", PYTHONPATH=given)
        *before, own = environ["PYTHONPATH"].split(":")
        assert before == expected
        assert (Path(own) / "serverless_instrument").is_dir()
    assert "PYTHONPATH" not in environment_after(shell, tmp_path, "app.handler")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("start", ["/var/runtime/bootstrap.py", "a wrapper of the function's"])
def test_what_another_shell_sets_anyway_is_left(shell: str, start: str, tmp_path: Path) -> None:
    given = {}
    (tmp_path / "python").write_text("#!/bin/sh\nexec env -0\n")
    if not start.startswith("/var"):
        given = {"SERVERLESS_INSTRUMENT_NEXT_WRAPPER": str(tmp_path / "python")}
    (tmp_path / "python").chmod(0o755)
    program = [shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else []), str(EXEC)]
    given.update({"_HANDLER": "app.handler", "PATH": os.environ["PATH"]})
    result = subprocess.run(
        [*program, str(tmp_path / "python"), start],
        env=given,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"PWD={tmp_path}\0" in result.stdout
    assert "SERVERLESS_INSTRUMENT_SHELL_VARIABLES" not in result.stdout
