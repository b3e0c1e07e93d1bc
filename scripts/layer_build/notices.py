"""Licences of what the layer bundles; each asks that its text travels with the code."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from layer_build.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# https://packaging.python.org/en/latest/specifications/core-metadata/#license-expression
_APACHE = re.compile(r"^License-Expression: Apache-2\.0$", re.MULTILINE)
_LICENCE_FILE = re.compile(r"[^/]+\.dist-info/(licenses/)?(LICEN[CS]E|NOTICE|COPYING)[^/]*$", re.I)
_RULE = "=" * 78

_PREAMBLE = """\
This layer holds serverless-instrument (Apache-2.0, see LICENSE) and the packages below, each under
the licence whose text follows its name.
"""


def third_party(wheels: Iterable[Path], apache: str) -> str:
    """The notices file: every licence text once, under the packages it covers.

    `apache` is the text of the Apache License 2.0, for wheels that name it and leave its text out.

    Raises:
        BuildError: a wheel carries no licence text.
    """
    covered: dict[str, list[str]] = {}
    for wheel in wheels:
        package = " ".join(wheel.name.split("-")[:2])
        texts = _licence_texts(wheel) or _named_licence(wheel, apache)
        if not texts:
            raise BuildError(f"{wheel.name} carries no licence text; add it before shipping it")
        for name, text in texts:
            covered.setdefault(text, []).append(f"{package} ({name})")
    sections = [
        "\n".join([_RULE, *packages, _RULE, "", text]) for text, packages in covered.items()
    ]
    return "\n".join([_PREAMBLE, *sections])


def _licence_texts(wheel: Path) -> list[tuple[str, str]]:
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(filter(_LICENCE_FILE.match, archive.namelist()))
        return [
            (name.rpartition("/")[2], archive.read(name).decode("utf-8").replace("\r\n", "\n"))
            for name in names
        ]


def _named_licence(wheel: Path, apache: str) -> list[tuple[str, str]]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".dist-info/METADATA"):
                headers = archive.read(name).decode("utf-8").partition("\n\n")[0]
                if _APACHE.search(headers.replace("\r\n", "\n")):
                    return [("Apache-2.0", apache)]
    return []
