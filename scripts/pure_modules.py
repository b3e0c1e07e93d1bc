"""Names the pure modules: those whose docstring says "Pure.", for ``coverage --include``.

They take time, randomness and the environment as arguments and do no input or output; coverage is
held to them, for the rest runs in processes of its own. tests/test_architecture.py reads the same.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "serverless_instrument"
_PURE = re.compile(r"\bPure\.")


def pure_modules() -> list[str]:
    """Paths of the modules, relative to the repository."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*.py")
        if _PURE.search(ast.get_docstring(ast.parse(path.read_text())) or "")
    )


if __name__ == "__main__":
    print(",".join(pure_modules()))
