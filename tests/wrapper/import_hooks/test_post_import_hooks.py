from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.wrapper.import_hooks.post_import_hooks import PostImportHooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

SOURCE = "value = 1\n"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of modules to import, which are unloaded afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


class Hooks:
    """Installed hooks, the modules they were called with, and the faults."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
        self.faults: list[tuple[str, str]] = []
        self.seen: list[str] = []
        self.hooks = PostImportHooks(lambda name, error: self.faults.append((name, str(error))))
        self.hooks.install()

    def watch(self, name: str) -> None:
        self.hooks.watch_module(name, self.note)

    def note(self, module: ModuleType) -> None:
        assert module.value == 1  # it has been executed
        self.seen.append(module.__name__)


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    return Hooks(monkeypatch)


def test_a_hook_runs_once_after_its_module(directory: Path, hooks: Hooks) -> None:
    (directory / "watched_once.py").write_text(SOURCE)
    hooks.watch("watched_once")
    assert hooks.seen == []
    module = importlib.import_module("watched_once")
    assert hooks.seen == ["watched_once"]
    importlib.reload(module)
    del sys.modules["watched_once"]
    importlib.import_module("watched_once")
    assert hooks.seen == ["watched_once"]


def test_a_module_that_is_there_already_is_hooked_at_once(directory: Path, hooks: Hooks) -> None:
    (directory / "watched_late.py").write_text(SOURCE)
    importlib.import_module("watched_late")
    hooks.watch("watched_late")
    assert hooks.seen == ["watched_late"]


def test_modules_inside_packages(directory: Path, hooks: Hooks) -> None:
    package = directory / "watched_package"
    package.mkdir()
    (package / "__init__.py").write_text("from watched_package import inner\nvalue = 1\n")
    (package / "inner.py").write_text(SOURCE)
    hooks.watch("watched_package")
    hooks.watch("watched_package.inner")
    importlib.import_module("watched_package.inner")
    assert hooks.seen == ["watched_package.inner", "watched_package"]


def test_the_module_looks_as_without_us(directory: Path, hooks: Hooks) -> None:
    (directory / "watched_looks.py").write_text('"""Its text."""\nvalue = 1\n')
    (directory / "plain_looks.py").write_text('"""Its text."""\nvalue = 1\n')
    hooks.watch("watched_looks")
    watched = importlib.import_module("watched_looks")
    plain = importlib.import_module("plain_looks")
    assert watched.__spec__ is not None
    assert plain.__spec__ is not None
    assert type(watched.__loader__) is type(plain.__loader__)
    assert watched.__spec__.loader is watched.__loader__
    assert inspect.getsource(watched) == inspect.getsource(plain)
    assert pkgutil.get_data("watched_looks", "watched_looks.py") is not None
    assert set(vars(watched)) == set(vars(plain))


def test_a_failing_hook_is_reported_and_the_import_succeeds(directory: Path, hooks: Hooks) -> None:
    def failing(module: ModuleType) -> None:
        raise RuntimeError("no " + module.__name__)

    (directory / "watched_fault.py").write_text(SOURCE)
    hooks.hooks.watch_module("watched_fault", failing)
    assert importlib.import_module("watched_fault").value == 1
    assert hooks.faults == [("watched_fault", "no watched_fault")]


def test_a_module_that_raises_is_watched_again(directory: Path, hooks: Hooks) -> None:
    path = directory / "watched_raises.py"
    path.write_text("raise ValueError('not yet')\n")
    hooks.watch("watched_raises")
    with pytest.raises(ValueError, match="not yet") as raised:
        importlib.import_module("watched_raises")
    assert raised.traceback[-1].path == path
    path.write_text(SOURCE + "# a text of another size than the first\n")
    importlib.invalidate_caches()
    importlib.import_module("watched_raises")
    assert hooks.seen == ["watched_raises"]


def test_a_module_that_is_not_there_raises_as_ever_and_stays_watched(
    directory: Path, hooks: Hooks
) -> None:
    hooks.watch("watched_missing")
    with pytest.raises(ModuleNotFoundError, match="No module named 'watched_missing'"):
        importlib.import_module("watched_missing")
    (directory / "watched_missing.py").write_text(SOURCE)
    importlib.invalidate_caches()
    importlib.import_module("watched_missing")
    assert hooks.seen == ["watched_missing"]


def test_asking_whether_a_module_is_there_does_not_use_its_hook_up(
    directory: Path, hooks: Hooks
) -> None:
    (directory / "watched_asked.py").write_text(SOURCE)
    hooks.watch("watched_asked")
    assert importlib.util.find_spec("watched_asked") is not None
    assert hooks.seen == []
    importlib.import_module("watched_asked")
    assert hooks.seen == ["watched_asked"]


def test_what_is_called_around_the_execution(directory: Path, hooks: Hooks) -> None:
    order: list[str] = []

    def around(module: ModuleType, execution: Callable[[ModuleType], None]) -> None:
        order.append("before")
        execution(module)
        order.append("after")

    (directory / "watched_around.py").write_text(
        "import sys\nvalue = 1\nsys.modules['order'].append('module')\n"
    )
    sys.modules["order"] = order  # type: ignore[assignment] # for the module to find
    try:
        hooks.hooks.watch_module("watched_around", lambda _: order.append("hook"), around)
        importlib.import_module("watched_around")
    finally:
        del sys.modules["order"]
    assert order == ["before", "module", "after", "hook"]


def test_namespace_packages_and_builtins_are_left_alone(directory: Path, hooks: Hooks) -> None:
    (directory / "watched_space").mkdir()
    hooks.hooks.watch_module("watched_space", lambda _: hooks.seen.append("space"))
    importlib.import_module("watched_space")
    assert importlib.import_module("watched_space").__file__ is None
    assert hooks.faults == []


def test_importing_in_several_threads_runs_the_hook_once(directory: Path, hooks: Hooks) -> None:
    (directory / "watched_threads.py").write_text("import time\ntime.sleep(0.05)\nvalue = 1\n")
    hooks.watch("watched_threads")
    threads = [
        threading.Thread(target=importlib.import_module, args=("watched_threads",))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hooks.seen == ["watched_threads"]


def test_installing_twice_is_installing_once(hooks: Hooks) -> None:
    hooks.hooks.install()
    assert sys.meta_path.count(hooks.hooks) == 1
    assert sys.meta_path[0] is hooks.hooks
