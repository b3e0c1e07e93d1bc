"""Modules from the layer's bundles: the same as from their files, and the function's first."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from layer_build import bytecode, interpreters

ROOT = Path(__file__).parents[1]
MODULES = {
    "opentelemetry/plain.py": 'value = "layer"\ndef fail():\n    raise ValueError(value)\n',
    "opentelemetry/deep/__init__.py": "from opentelemetry.deep import below\n",
    "opentelemetry/deep/below.py": "from opentelemetry import plain\n",
    "wrapt/__init__.py": "",
    "wrapt/inner.py": 'value = "layer"\n',
}


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A layer's python/ with small packages of those names, and our finder."""
    directory = tmp_path / "opt" / "python"
    package = directory / "serverless_instrument"
    for name, source in MODULES.items():
        path = package / "vendor" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (package / "wrapper").mkdir(parents=True)
    for name in ("__init__.py", "bundles.py", "wrapper/__init__.py", "wrapper/channel.py"):
        shutil.copy(ROOT / "serverless_instrument" / name, package / name)
    bytecode.compile_tree(directory, {interpreters.running(): sys.executable})
    return directory


def ask(python: Path, program: str, *first: Path) -> Any:
    """What `program` assigns to `answer`, with `first` before the layer on the path."""
    lines = [
        "import json, sys",
        f"sys.path[:0] = {[str(path) for path in (*first, python)]!r}",
        "import serverless_instrument.wrapper",
        "from serverless_instrument import bundles",
        "bundles.install_vendored()",
        program,
        "print(json.dumps(answer))",
    ]
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def spoil_sources(python: Path) -> None:
    for source in python.rglob("*.py"):
        if source.name not in ("__init__.py", "bundles.py") or source.parent.name == "deep":
            source.write_text("raise SystemExit('compiled anew')\n")


def test_a_module_comes_from_the_bundle_whatever_happened_to_its_source(python: Path) -> None:
    spoil_sources(python)
    program = (
        "import opentelemetry.deep, wrapt.inner\n"
        "from serverless_instrument.wrapper import channel\n"
        "from opentelemetry import plain\n"
        "answer = [plain.value, wrapt.inner.value]"
    )
    assert ask(python, program) == ["layer", "layer"]


def test_it_looks_as_if_it_came_from_its_file(python: Path) -> None:
    program = (
        "import opentelemetry.deep, opentelemetry.plain as plain\n"
        "import importlib.util, inspect, linecache, pkgutil, traceback\n"
        "deep = opentelemetry.deep\n"
        "answer = {'file': plain.__file__, 'package': plain.__package__, 'path': deep.__path__,"
        " 'name': deep.__spec__.name, 'source': inspect.getsource(plain),"
        " 'origin': importlib.util.find_spec('opentelemetry.deep.below').origin,"
        " 'data': pkgutil.get_data('opentelemetry.deep', 'below.py').decode(),"
        " 'names': [m.name for m in pkgutil.iter_modules(deep.__path__)]}\n"
        "try:\n    plain.fail()\n"
        "except ValueError as error:\n"
        "    answer['line'] = traceback.extract_tb(error.__traceback__)[-1].filename\n"
    )
    base = f"{python}/serverless_instrument/vendor/opentelemetry"
    assert ask(python, program) == {
        "file": f"{base}/plain.py",
        "package": "opentelemetry",
        "path": [f"{base}/deep"],
        "name": "opentelemetry.deep",
        "source": MODULES["opentelemetry/plain.py"],
        "origin": f"{base}/deep/below.py",
        "data": MODULES["opentelemetry/deep/below.py"],
        "names": ["below"],
        # As all code of the layer names it, wherever it is unpacked.
        "line": "/opt/python/serverless_instrument/vendor/opentelemetry/plain.py",
    }


def test_it_can_be_loaded_again(python: Path) -> None:
    program = (
        "import importlib, opentelemetry.plain as plain\n"
        "plain.value = 'changed'\n"
        "answer = importlib.reload(plain).value"
    )
    assert ask(python, program) == "layer"


def test_a_package_of_the_functions_comes_first(python: Path, tmp_path: Path) -> None:
    task = tmp_path / "task"
    (task / "opentelemetry").mkdir(parents=True)
    (task / "opentelemetry" / "plain.py").write_text('value = "function"\n')
    (task / "wrapt").mkdir()
    (task / "wrapt" / "__init__.py").touch()
    (task / "wrapt" / "inner.py").write_text('value = "function"\n')
    spoil_sources(python)
    program = (
        "import opentelemetry.deep, opentelemetry.plain, wrapt.inner\n"
        "answer = [opentelemetry.plain.value, wrapt.inner.value, opentelemetry.deep.__file__]"
    )
    # What the function does not have comes from the bundle all the same.
    assert ask(python, program, task) == [
        "function",
        "function",
        f"{python}/serverless_instrument/vendor/opentelemetry/deep/__init__.py",
    ]


def test_what_the_functions_package_does_not_have_is_missing(python: Path, tmp_path: Path) -> None:
    task = tmp_path / "task"
    (task / "wrapt").mkdir(parents=True)
    (task / "wrapt" / "__init__.py").touch()
    program = (
        "try:\n    import wrapt.inner\n"
        "except ModuleNotFoundError as error:\n    answer = str(error)"
    )
    assert ask(python, program, task) == "No module named 'wrapt.inner'"


@pytest.mark.parametrize("damage", ["gone", "empty", "other", "cut", "cut index"])
def test_a_damaged_bundle_leaves_the_sources(python: Path, damage: str) -> None:
    directory = python / "serverless_instrument" / "bundles" / str(sys.implementation.cache_tag)
    bundle = directory / "opentelemetry"
    content = bundle.read_bytes()
    if damage == "gone":
        shutil.rmtree(directory)
    elif damage == "empty":
        bundle.write_bytes(b"")
    elif damage == "other":
        bundle.write_bytes(b"\0\0\r\n" + content[4:])
    else:
        bundle.write_bytes(content[:-40] if damage == "cut" else content[:20])
    program = "import opentelemetry.deep, opentelemetry.plain as p\nanswer = p.value"
    assert ask(python, program) == "layer"


def test_without_a_layer_there_is_no_finder() -> None:
    program = (
        "import sys, serverless_instrument.wrapper\n"
        "from serverless_instrument import bundles\n"
        "print(any(isinstance(f, bundles.Bundles) for f in sys.meta_path))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
