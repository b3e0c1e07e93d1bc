"""The runtime side with a module that cannot be imported: the bare function, and one warning."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import serverless_instrument

PACKAGE = Path(serverless_instrument.__file__).parent
MAIN = Path(__file__).with_name("client_main.py")
APP = """\
def handler(event, context):
    print("called")
    raise KeyError("the function's")
"""
OURS = "serverless_instrument.wrapper.bootstrap.handler"
# Of every folder that the start loads from.
MODULES = [
    "wire.py",
    "bundles.py",
    "resource.py",
    "wrapper/instrumentation.py",
    "wrapper/channel.py",
    "wrapper/own_descriptor.py",
    "wrapper/settings.py",
    "wrapper/on_import.py",
    "wrapper/response_post.py",
    "wrapper/records/encoder.py",
    "wrapper/records/errors.py",
    "wrapper/records/function_identity.py",
    "wrapper/records/primitives.py",
    "wrapper/invocation/invocation.py",
    "wrapper/events/registry.py",
    "wrapper/logs/log_capture.py",
    "wrapper/import_hooks/post_import_hooks.py",
    "wrapper/deadline.py",
]


def run(directory: Path, handler: str) -> tuple[bytes, list[str], int]:
    """Standard output, lines of standard error and exit code of two invocations."""
    completed = subprocess.run(
        [sys.executable, "main.py", handler, "2"],
        cwd=directory,
        env={
            "SERVERLESS_INSTRUMENT_HANDLER": "app.handler",
            "SERVERLESS_INSTRUMENT_SOCKET": f"{directory}/none",
            "AWS_LAMBDA_FUNCTION_NAME": "shop",
            "_HANDLER": handler,
        },
        capture_output=True,
        timeout=100,
        check=False,
    )
    return completed.stdout, completed.stderr.decode().splitlines(), completed.returncode


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function beside a copy of this package, which goes before the one that is installed."""
    made = tmp_path_factory.mktemp("function")
    ignored = shutil.ignore_patterns("forwarder", "local", "__pycache__")
    shutil.copytree(PACKAGE, made / "serverless_instrument", ignore=ignored)
    shutil.copy(MAIN, made / "main.py")
    (made / "app.py").write_text(APP)
    return made


@pytest.mark.parametrize("kind", ["ImportError", "RuntimeError"])
@pytest.mark.parametrize("module", MODULES)
def test_the_function_runs_bare_with_one_warning(directory: Path, module: str, kind: str) -> None:
    file = directory / "serverless_instrument" / module
    original = file.read_text()
    file.write_text(f"raise {kind}('broken')")
    try:
        stdout, said, code = run(directory, OURS)
    finally:
        file.write_text(original)
    assert (stdout, [], code) == run(directory, "app.handler")
    warning = f"the function runs without instrumentation: {kind}: broken"
    assert said == [f"serverless-instrument: {warning}"]
