"""The running Python with fewer packages: as Lambda has it, without those that our layer brings."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

# The packages in the layer, and what else of OpenTelemetry development installs.
_IN_THE_LAYER = ("opentelemetry", "wrapt", "packaging", "typing_extensions", "typing-extensions")


def make_python(directory: Path) -> str:
    """A virtual environment at `directory` that links to the running one's packages.

    Returns its interpreter's path.
    """
    packages = Path(sysconfig.get_path("purelib"))
    target = directory / packages.relative_to(sys.prefix)
    target.mkdir(parents=True)
    for path in packages.iterdir():
        if not path.name.startswith(_IN_THE_LAYER):
            (target / path.name).symlink_to(path)
    base = Path(sys._base_executable)  # type: ignore[attr-defined] # what venv itself reads
    # https://docs.python.org/3/library/site.html: true where the line is missing.
    settings = f"home = {base.parent}\ninclude-system-site-packages = false\n"
    (directory / "pyvenv.cfg").write_text(settings)
    python = directory / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(base.resolve())
    return str(python)
