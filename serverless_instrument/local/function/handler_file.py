"""A check that a handler's module exists, made without importing it."""

from __future__ import annotations

from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class HandlerError(Exception):
    """The handler setting names no module; the message gives the setting and the remedy."""


def check_handler(handler: str, directory: Path, search_path: Sequence[str]) -> None:
    """Check that the module of `handler` exists, in `directory` or on `search_path`.

    Errors inside the module and a wrong function name are the runtime's to report.

    Args:
        handler: ``app.handler``, ``dir/mod.handler`` or ``pkg.mod.handler``.
        directory: the function's code.
        search_path: further directories that modules are imported from.

    Raises:
        HandlerError: the setting has no dot, or no file has the module's name.
    """
    module, dot, function = handler.rpartition(".")
    if not (module and dot and function):
        remedy = "give MODULE.FUNCTION, for example app.handler"
        raise HandlerError(f"handler {handler!r}: no function name; {remedy}")
    # awslambdaric allows a path for the module: dir/mod means dir.mod.
    names = module.replace("/", ".").split(".")
    locations = [str(directory), *search_path]
    for name in names:
        spec = PathFinder.find_spec(name, locations) if name and locations else None
        if spec is None:
            expected = directory.joinpath(*names).with_suffix(".py")
            remedy = "correct the handler, or name the function's directory with --directory"
            raise HandlerError(f"handler {handler!r}: no module at {expected}; {remedy}")
        locations = list(spec.submodule_search_locations or ())
