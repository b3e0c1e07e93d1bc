"""The directory used as /opt: a layer's content, or the installed package laid out as a layer."""

from __future__ import annotations

import os
import shlex
import zipfile
from pathlib import Path

WRAPPER = "serverless-instrument"
EXTENSIONS = "extensions"
PYTHON = "python"

# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html: at most ten extensions
MAX_EXTENSIONS = 10


class LayerError(Exception):
    """The layer cannot be used; the message names it and the remedy."""


def prepare_layer(layer: Path | None, scratch: Path, python: str, *, instrumented: bool) -> Path:
    """Path of the directory to use as /opt.

    A zip is extracted below `scratch`, a directory is used as it is, and without either the
    installed package is laid out as a layer there.

    Raises:
        LayerError: no such file, or not a zip archive.
    """
    opt = scratch / "opt"
    if layer is None:
        opt.mkdir()
        if instrumented:
            _lay_out_package(opt, python)
        return opt
    if layer.is_dir():
        return layer.resolve()
    if not layer.exists():
        raise LayerError(f"layer {layer}: no such file; build it with scripts/build-layer")
    opt.mkdir()
    _extract(layer, opt)
    return opt


def find_exec_wrapper(opt: Path) -> str | None:
    """Path of the layer's exec wrapper, or None where the layer has none."""
    path = opt / WRAPPER
    return str(path) if path.is_file() else None


def find_extensions(opt: Path) -> list[Path]:
    """The layer's external extensions, in the order in which Lambda starts them."""
    directory = opt / EXTENSIONS
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.is_file())


def _extract(archive: Path, opt: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as layer:
            for member in layer.infolist():
                path = layer.extract(member, opt)
                # ZipFile.extract drops the mode; without its executable bit an extension
                # cannot be started.
                mode = member.external_attr >> 16 & 0o777
                if mode and not member.is_dir():
                    Path(path).chmod(mode)
    except zipfile.BadZipFile as error:
        remedy = "give a layer zip or a directory"
        raise LayerError(f"layer {archive}: not a zip archive ({error}); {remedy}") from None
    except OSError as error:
        raise LayerError(f"layer {archive}: cannot be read: {error.strerror}") from None


def _lay_out_package(opt: Path, python: str) -> None:
    """Link the installed package under the names that a layer has."""
    package = Path(__file__).resolve().parents[2]
    (opt / PYTHON).mkdir()
    (opt / PYTHON / package.name).symlink_to(package)
    (opt / WRAPPER).symlink_to(package / "wrapper" / "exec")
    (opt / EXTENSIONS).mkdir()
    launcher = opt / EXTENSIONS / WRAPPER
    main = package / "forwarder" / "__main__.py"
    command = shlex.join([python, "-I", "-S", os.fspath(main)])
    launcher.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    launcher.chmod(0o755)
