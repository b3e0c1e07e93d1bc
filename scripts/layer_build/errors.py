"""How a build fails: one line, one exit status."""

from __future__ import annotations


class BuildError(Exception):
    """The layer cannot be built; the message names the value at fault and the remedy.

    Attributes:
        exit_status: 2 where the command line is at fault, 1 elsewhere.
    """

    def __init__(self, message: str, exit_status: int = 1) -> None:
        super().__init__(message)
        self.exit_status = exit_status
