"""Executes ``opentelemetry.propagate`` as if ``OTEL_PROPAGATORS`` were not set.

The module loads the propagators of that setting while it is imported, and fails if a package is
missing. Ours need none. The environment itself is the process's, and stays as it is.
"""

from __future__ import annotations

import os
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# What the module gets for its ``from os import environ``. It reads the one setting.
environ: dict[str, str] = {}


def execute_without_propagators(
    module: ModuleType, execution: Callable[[ModuleType], None]
) -> None:
    """Execute `module`; where its bytecode is not as expected, with ``execution(module)``."""
    get_code = getattr(module.__loader__, "get_code", None)
    code = get_code(module.__name__) if get_code is not None else None
    if not isinstance(code, CodeType) or not {"os", "environ"}.issubset(code.co_names):
        execution(module)
        return
    names = tuple(__name__ if name == "os" else name for name in code.co_names)
    exec(code.replace(co_names=names), module.__dict__)
    module.environ = os.environ  # type: ignore[attr-defined] # of the module
