"""Entry point of the ``serverless-instrument`` command."""

from __future__ import annotations

import sys

# Distributions of the `local` extra by the name that an import of them misses.
_EXTRA = ("aiohttp", "click", "google", "opentelemetry.proto", "rich")


def main() -> None:
    """Run the command and exit: 0 success, 1 the function failed, 2 bad usage or input."""
    try:
        _run()
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not missing.startswith(_EXTRA):
            raise
        remedy = "pip install 'serverless-instrument[local]'"
        sys.exit(_fail(f"{missing} is not installed; {remedy}"))


def _run() -> None:
    import click

    from serverless_instrument.local.command import cli

    try:
        sys.exit(cli.main(prog_name="serverless-instrument", standalone_mode=False))
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "serverless-instrument"
        sys.exit(_fail(f"{error.format_message()} See {command} --help"))
    except click.ClickException as error:
        sys.exit(_fail(error.format_message()))
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


def _fail(message: str) -> int:
    print(f"serverless-instrument: {message}", file=sys.stderr)  # noqa: T201 - the command's voice
    return 2
