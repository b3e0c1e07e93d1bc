"""What the command says when it cannot do what it was asked: one line, exit code 2."""

from __future__ import annotations

import site
from pathlib import Path

import pytest

from tests.local.command_line import (
    ROOT,
    run,
    serverless_instrument,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("arguments", "names", "remedy"),
    [
        (["app.echo"], "--event", "--help"),
        ([], "MODULE.HANDLER", "--help"),
        (["app.echo", "--event", "-", "--bogus"], "--bogus", "--help"),
        (["nope.handler", "--event", "-"], "'nope.handler'", "--directory"),
        (["app", "--event", "-"], "'app'", "MODULE.FUNCTION"),
        (["app.echo", "--event", "none.json"], "none.json", "stdin"),
        (["app.echo", "--event", "pkg"], "pkg", "readable file"),
        (["app.echo", "--event", "app.py"], "app.py", "JSON document"),
        (["app.echo", "--event", "-", "--directory", "none"], "none", "function's code"),
        (["app.echo", "--event", "-", "--env", "NAME"], "'NAME'", "KEY=VALUE"),
        (["app.echo", "--event", "-", "--env", "=x"], "'=x'", "KEY=VALUE"),
        (["app.echo", "--event", "-", "--env", "A B=x"], "'A B=x'", "KEY=VALUE"),
        (["app.echo", "--event", "-", "--layer", "none.zip"], "none.zip", "build-layer"),
        (["app.echo", "--event", "-", "--layer", "app.py"], "app.py", "layer zip"),
        (["app.echo", "--event", "-", "--endpoint", "localhost:4318"], "'localhost:4318'", "http"),
        (["app.echo", "--event", "-", "--endpoint", "http://x:y"], "'http://x:y'", "http"),
        (["app.echo", "--event", "-", "--timeout", "soon"], "'soon'", "seconds"),
        (["app.echo", "--event", "-", "--timeout", "0"], "'0'", "900"),
        (["app.echo", "--event", "-", "--timeout", "nan"], "'nan'", "900"),
        (["app.echo", "--event", "-", "--timeout", "901"], "'901'", "900"),
        (["app.echo", "--event", "-", "--memory", "lots"], "'lots'", "megabytes"),
        (["app.echo", "--event", "-", "--memory", "127"], "'127'", "128"),
        (["app.echo", "--event", "-", "--memory", "10241"], "'10241'", "10240"),
        (["app.echo", "--event", "-", "--memory", "-128"], "'-128'", "128"),
        (["app.echo", "--event", "-", "--invocations", "0"], "'0'", "whole number"),
        (["app.echo", "--event", "-", "--invocations", "many"], "'many'", "whole number"),
    ],
)
def test_mistake_is_one_line_with_a_remedy(arguments: list[str], names: str, remedy: str) -> None:
    finished = serverless_instrument("run", *arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert line.startswith("serverless-instrument: ")
    assert names in line
    assert remedy in line


@pytest.mark.parametrize("event", [b"", b"{", b"{'a': 1}", b"NaN", b"\xff", b"\xef\xbb\xbf{}"])
def test_event_that_is_not_json(event: bytes) -> None:
    finished = run("app.echo", event=event)
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert "--event -: not valid JSON" in line


def test_unknown_command() -> None:
    finished = serverless_instrument("bogus")
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1


def packages(directory: Path, *without: str) -> str:
    """A directory with the installed packages except some, to be used with ``-S``."""
    # Some distributions name directories that do not exist.
    for source in filter(Path.is_dir, map(Path, site.getsitepackages())):
        for entry in source.iterdir():
            if not entry.name.startswith(without):
                (directory / entry.name).symlink_to(entry)
    (directory / "serverless_instrument").unlink(missing_ok=True)
    (directory / "serverless_instrument").symlink_to(ROOT / "serverless_instrument")
    return str(directory)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("click", "click"),
        ("aiohttp", "aiohttp"),
        ("rich", "rich"),
        ("google", "google"),
        ("awslambdaric", "awslambdaric"),
    ],
)
def test_missing_part_of_the_extra(tmp_path: Path, missing: str, named: str) -> None:
    path = packages(tmp_path, missing)
    finished = serverless_instrument(
        "run", "app.echo", "--event", "-", options=("-S",), PYTHONPATH=path
    )
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert named in line
    assert "pip install 'serverless-instrument[local]'" in line


def test_help_needs_click_alone(tmp_path: Path) -> None:
    path = packages(tmp_path, "aiohttp", "rich", "google", "opentelemetry", "awslambdaric")
    finished = serverless_instrument("run", "--help", options=("-S",), PYTHONPATH=path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "--invocations" in finished.stdout
