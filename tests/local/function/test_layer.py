"""What stands for /opt: a zip, a directory, or the installed package laid out as a layer."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.local.function import layer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "layer.zip"
    with zipfile.ZipFile(path, "w") as content:
        for name, mode in (
            ("serverless-instrument", 0o755),
            ("extensions/ours", 0o755),
            ("extensions/another", 0o755),
            ("python/module.py", 0o644),
        ):
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o100000 | mode) << 16
            content.writestr(member, "#!/bin/sh\n")
    return path


def test_zip_is_extracted_with_its_modes(archive: Path, tmp_path: Path) -> None:
    opt = layer.prepare_layer(archive, tmp_path, sys.executable, instrumented=True)
    assert os.access(opt / "extensions" / "ours", os.X_OK)
    assert (opt / "python" / "module.py").stat().st_mode & 0o777 == 0o644
    assert layer.find_exec_wrapper(opt) == str(opt / "serverless-instrument")
    assert [path.name for path in layer.find_extensions(opt)] == ["another", "ours"]


def test_directory_is_used_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "layer"
    (directory / "extensions" / "subdirectory").mkdir(parents=True)
    assert layer.prepare_layer(directory, tmp_path, sys.executable, instrumented=True) == directory
    assert layer.find_exec_wrapper(directory) is None
    assert layer.find_extensions(directory) == []


def test_installed_package_laid_out_as_a_layer(tmp_path: Path) -> None:
    opt = layer.prepare_layer(None, tmp_path, sys.executable, instrumented=True)
    wrapper = layer.find_exec_wrapper(opt)
    assert wrapper is not None
    assert os.access(wrapper, os.X_OK)
    (launcher,) = layer.find_extensions(opt)
    assert launcher.name == "serverless-instrument"
    assert os.access(launcher, os.X_OK)
    root = str(opt / "python")
    probe = (
        f"import sys; sys.path.insert(0, {root!r});"
        "from serverless_instrument import wire; print(wire.__file__)"
    )
    seen = subprocess.run(
        [sys.executable, "-I", "-S", "-c", probe],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.strip() == str(opt / "python" / "serverless_instrument" / "wire.py")


def test_bare_function_gets_an_empty_opt(tmp_path: Path) -> None:
    opt = layer.prepare_layer(None, tmp_path, sys.executable, instrumented=False)
    assert list(opt.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 damaged", b"text"])
def test_layer_that_cannot_be_used_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "layer.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(layer.LayerError, match=str(path)):
        layer.prepare_layer(path, tmp_path, sys.executable, instrumented=True)
