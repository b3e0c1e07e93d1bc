"""The command line: `run` and `tail`.

At the top only click and the options are imported, so that ``--help`` and mistakes answer fast.
"""

from __future__ import annotations

import os
import sys

import click

from serverless_instrument import wire
from serverless_instrument.local import options
from serverless_instrument.local.options import InputError


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
    as Lambda does. Without --memory the setting is 1769 MB, and it is not enforced.
    Exit code 0: success; 1: the function failed; 2: bad usage or input.
    """
    variables = dict(options.parse_variable(pair) for pair in env)
    code = options.parse_directory(directory)
    timeout_s = options.parse_timeout(timeout)
    memory_mb = options.parse_memory(memory)
    times = options.parse_invocations(invocations)
    url = options.parse_endpoint(endpoint)
    layer_path = options.parse_layer(layer)
    options.check_handler(handler, code, layer_path)
    body = options.read_event(event)

    from serverless_instrument.local.function.config import LocalConfig
    from serverless_instrument.local.function.interpreter import has_awslambdaric
    from serverless_instrument.local.function.layer import LayerError
    from serverless_instrument.local.run import OutputError, RunOptions, execute_run

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
        sys.exit(execute_run(RunOptions(config, body, times, url, as_json)))
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
    number = options.parse_port(port)
    severity = options.parse_level(level)
    prefix = options.parse_trace(trace)

    from serverless_instrument.local.tail import OutputError, PortError, TailOptions, execute_tail
    from serverless_instrument.local.view.live import Filter

    wanted = Filter(function, severity, text, prefix)
    try:
        sys.exit(execute_tail(TailOptions(host, number, wanted, as_json)))
    except PortError as error:
        raise InputError(f"--port {port}: cannot listen on {host}: {error}; give another") from None
    except OutputError as error:
        raise InputError(str(error)) from None
