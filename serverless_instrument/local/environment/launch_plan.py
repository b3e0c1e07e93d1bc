"""What an execution environment's processes are started with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from serverless_instrument.local import layer
from serverless_instrument.local.config import (
    LocalConfig,
    Place,
    extension_environment,
    runtime_environment,
)
from serverless_instrument.local.environment.interpreter import python_version
from serverless_instrument.local.environment.log_stream import LogRecord

# Stands for /var/runtime.
RUNTIME_DIRECTORY = Path(__file__).resolve().parents[1] / "runtime"

OnLog = Callable[[str, LogRecord], None]


@dataclass(frozen=True)
class LaunchPlan:
    """What an environment consists of."""

    runtime_command: list[str]
    runtime_environment: dict[str, str]
    extensions: list[Path]
    extension_environment: dict[str, str]
    framed_log_variable: str | None
    directory: Path
    on_log: OnLog


def make_plan(
    config: LocalConfig, place: Place, base_env: Mapping[str, str], on_log: OnLog
) -> LaunchPlan:
    """The runtime behind its exec wrapper, and the extensions of the layer at `place.opt`.

    Raises:
        InterpreterError: the configured interpreter does not run.
    """
    variables = runtime_environment(
        config,
        place,
        base_env,
        runtime_directory=str(RUNTIME_DIRECTORY),
        exec_wrapper=layer.exec_wrapper(place.opt) if config.instrumented else None,
        python_version=python_version(config.python),
    )
    return LaunchPlan(
        runtime_command=[str(RUNTIME_DIRECTORY / "bootstrap")],
        runtime_environment=variables,
        extensions=layer.extensions(place.opt) if config.instrumented else [],
        extension_environment=extension_environment(variables),
        framed_log_variable="_LAMBDA_TELEMETRY_LOG_FD" if config.framed_logs else None,
        directory=config.directory.resolve(),
        on_log=on_log,
    )
