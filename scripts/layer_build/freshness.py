"""Whether a layer built earlier still is what a build would write now."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def fingerprint(inputs: Iterable[Path], interpreters: Mapping[str, str]) -> str:
    """Digest of every input file's name, mode and content, and of the Pythons that compile."""
    digest = hashlib.sha256(repr(sorted(interpreters.items())).encode())
    for top in inputs:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(top)} {path.stat().st_mode:o}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def is_fresh(output: Path, current: str) -> bool:
    """Was `output` written by a build whose fingerprint was `current`?"""
    try:
        return output.is_file() and _record(output).read_text() == current
    except FileNotFoundError:
        return False


def remember(output: Path, current: str) -> None:
    """Note beside `output` what it was made of."""
    _record(output).write_text(current)


def _record(output: Path) -> Path:
    return output.with_name(f".{output.name}.inputs")
