"""What the forwarder itself reports, in the function's log."""

from __future__ import annotations

import sys


def say(message: str) -> None:
    """Write one line to stderr, which Lambda puts in the function's log."""
    try:
        sys.stderr.write(f"serverless-instrument: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


class Reporter:
    """Writes the first message of each subject, until the subject is well again."""

    __slots__ = ("_reported",)

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def report(self, subject: str, message: str) -> None:
        """Write `message`, if none of `subject` was written since "" said that all is well."""
        if not message:
            self._reported.discard(subject)
        elif subject not in self._reported:
            self._reported.add(subject)
            say(message)
