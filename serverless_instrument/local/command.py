"""The command line: its options, their validation, and one clear line for each mistake.

Only click is imported here; what runs the function is imported when it is about to run.
"""

from __future__ import annotations

import json
import math
import os
import site
import sys
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit

import click

from serverless_instrument import wire

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LONGEST_TIMEOUT_S = 900
_SMALLEST_MEMORY_MB, _LARGEST_MEMORY_MB = 128, 10240


class InputError(click.ClickException):
    """Something the user gave cannot be used: one line, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(wire.__version__, prog_name="serverless-instrument")
def cli() -> None:
    """OpenTelemetry instrumentation for Python on AWS Lambda."""


@cli.command(context_settings={"show_default": True})
@click.argument("handler", metavar="MODULE.HANDLER")
@click.option("--event", required=True, metavar="FILE|-", help="JSON event; - reads stdin.")
@click.option("--directory", default=".", metavar="DIR", help="The function's code.")
@click.option("--env", multiple=True, metavar="KEY=VALUE", help="Variable; may be repeated.")
@click.option(
    "--layer", metavar="ZIP|DIR", help="Use this layer as /opt instead of the installed package."
)
@click.option(
    "--endpoint", metavar="URL", help="Send telemetry to this OTLP/HTTP endpoint, show none."
)
@click.option("--invocations", default="1", metavar="N", help="Invoke this many times.")
@click.option("--timeout", default="30", metavar="SECONDS", help="The function's timeout.")
@click.option(
    "--memory", metavar="MB", help="The function's memory; one that outgrows it is killed."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def run(
    handler: str,
    event: str,
    directory: str,
    env: tuple[str, ...],
    layer: str | None,
    endpoint: str | None,
    invocations: str,
    timeout: str,
    memory: str | None,
    as_json: bool,
) -> None:
    """Run a Lambda function here, instrumented, and show its result, its logs and its trace.

    Starts AWS's own runtime client through the exec wrapper and the forwarder as an extension,
    as Lambda does. Without --memory the function is told of 1769 MB and may take any amount.
    Exit code 0: success; 1: the function failed; 2: bad usage or input.
    """
    variables = dict(_parse_variable(pair) for pair in env)
    code = _parse_directory(directory)
    timeout_s = _parse_timeout(timeout)
    memory_mb = _parse_memory(memory)
    times = _parse_invocations(invocations)
    url = _parse_endpoint(endpoint)
    layer_path = _parse_layer(layer)
    _check_handler(handler, code, layer_path)
    body = _read_event(event)

    from serverless_instrument.local.config import LocalConfig
    from serverless_instrument.local.environment.interpreter import has_awslambdaric
    from serverless_instrument.local.layer import LayerError
    from serverless_instrument.local.run import OutputError, Run, execute

    if not has_awslambdaric(sys.executable) and not (code / "awslambdaric").is_dir():
        raise InputError(
            f"awslambdaric: not installed in {sys.executable}; "
            "pip install 'serverless-instrument[local]'"
        )
    config = LocalConfig(
        handler=handler,
        directory=code,
        env=variables,
        layer=layer_path,
        timeout_s=timeout_s,
        base_env=dict(os.environ),
    )
    if memory_mb:
        config.memory_mb, config.enforce_memory = memory_mb, True
    try:
        sys.exit(execute(Run(config, body, times, url, as_json)))
    except (LayerError, OutputError) as error:
        raise InputError(str(error)) from None


@cli.command(context_settings={"show_default": True})
@click.option("--port", default="4318", metavar="N", help="Listen on this port; 0 takes any.")
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Listen on this address.")
@click.option("--function", default="", metavar="NAME", help="Show this function only.")
@click.option("--level", default="trace", metavar="LEVEL", help="Show this level and above.")
@click.option("--text", default="", metavar="TEXT", help="Show what contains this.")
@click.option("--trace", default="", metavar="ID", help="Show the trace that begins like this.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def tail(
    port: str, host: str, function: str, level: str, text: str, trace: str, as_json: bool
) -> None:
    """Show logs and traces as they come: an OTLP/HTTP receiver for functions on this machine.

    Point OTEL_EXPORTER_OTLP_ENDPOINT at it; SERVERLESS_INSTRUMENT_DEV_MODE=true sends while a
    function runs. Ends with Ctrl-C, exit code 130.
    """
    number = _parse_port(port)
    severity = _parse_level(level)
    prefix = _parse_trace(trace)

    from serverless_instrument.local.tail import OutputError, PortError, Tail, execute
    from serverless_instrument.local.view.live import Filter

    wanted = Filter(function, severity, text, prefix)
    try:
        sys.exit(execute(Tail(host, number, wanted, as_json)))
    except PortError as error:
        raise InputError(f"--port {port}: cannot listen on {host}: {error}; give another") from None
    except OutputError as error:
        raise InputError(str(error)) from None


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise InputError(f"--port {text!r}: not a port; give a number from 0 to 65535")
    return int(text)


def _parse_level(text: str) -> int:
    from serverless_instrument.local.view.levels import LEVELS

    if text.lower() not in LEVELS:
        raise InputError(f"--level {text!r}: not a level; give one of {', '.join(LEVELS)}")
    # A line without a level is shown unless a level is asked for.
    return LEVELS[text.lower()]


def _parse_trace(text: str) -> str:
    prefix = text.lower()
    if len(prefix) > 32 or not set(prefix) <= set("0123456789abcdef"):
        raise InputError(f"--trace {text!r}: not a trace id; give up to 32 hexadecimal digits")
    return prefix


def _parse_variable(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals or not name or not name.isascii() or not name.replace("_", "a").isalnum():
        raise InputError(f"--env {pair!r}: not an assignment; give KEY=VALUE")
    return name, value


def _parse_directory(directory: str) -> Path:
    path = Path(directory)
    if not path.is_dir():
        raise InputError(f"--directory {directory}: not a directory; give the function's code")
    return path.resolve()


def _parse_timeout(text: str) -> float:
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        limit = f"give seconds, more than 0 and at most {_LONGEST_TIMEOUT_S}"
        raise InputError(f"--timeout {text!r}: not a Lambda timeout; {limit}")
    return timeout_s


def _parse_memory(text: str | None) -> int:
    """The limit in MB, 0 for none."""
    if text is None:
        return 0
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
    if not _SMALLEST_MEMORY_MB <= number <= _LARGEST_MEMORY_MB:
        limit = f"give megabytes, {_SMALLEST_MEMORY_MB} to {_LARGEST_MEMORY_MB}"
        raise InputError(f"--memory {text!r}: not a Lambda memory size; {limit}")
    return number


def _parse_invocations(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InputError(f"--invocations {text!r}: not a count; give a whole number from 1")
    return int(text)


def _parse_endpoint(url: str | None) -> str | None:
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


def _parse_layer(layer: str | None) -> Path | None:
    if layer is None:
        return None
    path = Path(layer)
    if not path.exists():
        raise InputError(
            f"--layer {layer}: no such file or directory; scripts/build-layer makes one"
        )
    return path


def _check_handler(handler: str, directory: Path, layer: Path | None) -> None:
    from serverless_instrument.local import handler_file

    places = [*site.getsitepackages(), sysconfig.get_path("stdlib")]
    if layer is not None:
        places.append(str(layer / "python"))
    try:
        handler_file.check(handler, directory, places)
    except handler_file.HandlerError as error:
        raise InputError(str(error)) from None


def _read_event(source: str) -> bytes:
    """The event, byte for byte, once it is known to be JSON."""
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
    """NaN and the infinities are Python's, not JSON's."""
    raise ValueError(f"{name} is not a JSON value")
