"""Entry point of the ``serverless-instrument`` command."""

from __future__ import annotations

import sys

# Modules of the `local` extra: ModuleNotFoundError names the one that is missing.
_LOCAL_EXTRA = ("aiohttp", "click", "google", "opentelemetry.proto", "rich")


def main() -> None:
    """Run the command and exit: 0 success, 1 the function failed, 2 bad usage or input."""
    try:
        _run_command()
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not missing.startswith(_LOCAL_EXTRA):
            raise
        remedy = "pip install 'serverless-instrument[local]'"
        sys.exit(_print_failure(f"{missing} is not installed; {remedy}"))


def _run_command() -> None:
    import click

    from serverless_instrument.local.command import cli

    try:
        sys.exit(cli.main(prog_name="serverless-instrument", standalone_mode=False))
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "serverless-instrument"
        sys.exit(_print_failure(f"{error.format_message()} See {command} --help"))
    except click.ClickException as error:
        sys.exit(_print_failure(error.format_message()))
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


def _print_failure(message: str) -> int:
    print(f"serverless-instrument: {message}", file=sys.stderr)  # noqa: T201 - the command reports to its user
    return 2
