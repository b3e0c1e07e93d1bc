"""Options of the commands: parsed and validated, with one clear line for each mistake.

Every function raises `InputError` for a value that cannot be used.
"""

from __future__ import annotations

import json
import math
import site
import sys
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit

import click

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LONGEST_TIMEOUT_S = 900
_SMALLEST_MEMORY_MB, _LARGEST_MEMORY_MB = 128, 10240


class InputError(click.ClickException):
    """An option or argument cannot be used: one line, exit code 2."""

    exit_code = 2


def parse_port(text: str) -> int:
    """`--port`: 0 to 65535."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise InputError(f"--port {text!r}: not a port; give a number from 0 to 65535")
    return int(text)


def parse_level(text: str) -> int:
    """`--level` as an OpenTelemetry SeverityNumber, 1 for trace to 21 for fatal."""
    from serverless_instrument.local.view.levels import LEVELS

    if text.lower() not in LEVELS:
        raise InputError(f"--level {text!r}: not a level; give one of {', '.join(LEVELS)}")
    return LEVELS[text.lower()]


def parse_trace(text: str) -> str:
    """`--trace`: the beginning of a trace id in lower-case hexadecimal."""
    prefix = text.lower()
    if len(prefix) > 32 or not set(prefix) <= set("0123456789abcdef"):
        raise InputError(f"--trace {text!r}: not a trace id; give up to 32 hexadecimal digits")
    return prefix


def parse_variable(pair: str) -> tuple[str, str]:
    """`--env`: the name and the value of an environment variable."""
    name, equals, value = pair.partition("=")
    if not equals or not name or not name.isascii() or not name.replace("_", "a").isalnum():
        raise InputError(f"--env {pair!r}: not an assignment; give KEY=VALUE")
    return name, value


def parse_directory(directory: str) -> Path:
    """`--directory` as an absolute path."""
    path = Path(directory)
    if not path.is_dir():
        raise InputError(f"--directory {directory}: not a directory; give the function's code")
    return path.resolve()


def parse_timeout(text: str) -> float:
    """`--timeout` in seconds."""
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        limit = f"give seconds, more than 0 and at most {_LONGEST_TIMEOUT_S}"
        raise InputError(f"--timeout {text!r}: not a Lambda timeout; {limit}")
    return timeout_s


def parse_memory(text: str | None) -> int:
    """`--memory` in MB of 1,048,576 bytes, 0 where the option is absent."""
    if text is None:
        return 0
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
    if not _SMALLEST_MEMORY_MB <= number <= _LARGEST_MEMORY_MB:
        limit = f"give megabytes, {_SMALLEST_MEMORY_MB} to {_LARGEST_MEMORY_MB}"
        raise InputError(f"--memory {text!r}: not a Lambda memory size; {limit}")
    return number


def parse_invocations(text: str) -> int:
    """`--invocations`, at least 1."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InputError(f"--invocations {text!r}: not a count; give a whole number from 1")
    return int(text)


def parse_endpoint(url: str | None) -> str | None:
    """`--endpoint`: an http or https URL as given, None where the option is absent."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        valid = False
    if not valid:
        example = "http://127.0.0.1:4318"
        raise InputError(
            f"--endpoint {url!r}: not an http or https URL; give one such as {example}"
        )
    return url


def parse_layer(layer: str | None) -> Path | None:
    """`--layer` as a path that exists, None where the option is absent."""
    if layer is None:
        return None
    path = Path(layer)
    if not path.exists():
        raise InputError(
            f"--layer {layer}: no such file or directory; scripts/build-layer makes one"
        )
    return path


def check_handler(handler: str, directory: Path, layer: Path | None) -> None:
    """Refuse a handler whose module is neither in `directory` nor in `layer` nor installed."""
    from serverless_instrument.local.function import handler_file

    places = [*site.getsitepackages(), sysconfig.get_path("stdlib")]
    if layer is not None:
        places.append(str(layer / "python"))
    try:
        handler_file.check_handler(handler, directory, places)
    except handler_file.HandlerError as error:
        raise InputError(str(error)) from None


def read_event(source: str) -> bytes:
    """The bytes of the event named by `--event`, unchanged, once they are known to be JSON."""
    try:
        body = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        remedy = "give a readable file, or - for stdin"
        raise InputError(f"--event {source}: {error.strerror}; {remedy}") from None
    try:
        json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except ValueError as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        remedy = "give a JSON document in UTF-8"
        raise InputError(f"--event {source}: not valid JSON ({reason}); {remedy}") from None
    return body


def _no_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is not a JSON value")
