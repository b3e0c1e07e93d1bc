"""Commands and environment variables that an execution environment's processes start with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serverless_instrument.local.function import layer
from serverless_instrument.local.function.config import (
    LocalConfig,
    PlatformValues,
    extension_environment,
    runtime_environment,
)
from serverless_instrument.local.function.interpreter import python_version

if TYPE_CHECKING:
    from collections.abc import Mapping

# Takes the place of /var/runtime.
RUNTIME_DIRECTORY = Path(__file__).resolve().parents[1] / "runtime"


@dataclass(frozen=True)
class LaunchPlan:
    """The processes of one environment: one runtime and its external extensions."""

    runtime_command: list[str]
    runtime_environment: dict[str, str]
    extensions: list[Path]
    extension_environment: dict[str, str]
    framed_log_variable: str | None
    directory: Path


def make_launch_plan(
    config: LocalConfig, platform: PlatformValues, base_env: Mapping[str, str]
) -> LaunchPlan:
    """The runtime behind its exec wrapper, and the extensions of the layer at `platform.opt`.

    Raises:
        InterpreterError: the configured interpreter does not run.
    """
    variables = runtime_environment(
        config,
        platform,
        base_env,
        runtime_directory=str(RUNTIME_DIRECTORY),
        exec_wrapper=layer.find_exec_wrapper(platform.opt) if config.instrumented else None,
        python_version=python_version(config.python),
    )
    return LaunchPlan(
        runtime_command=[str(RUNTIME_DIRECTORY / "bootstrap")],
        runtime_environment=variables,
        extensions=layer.find_extensions(platform.opt) if config.instrumented else [],
        extension_environment=extension_environment(variables),
        framed_log_variable="_LAMBDA_TELEMETRY_LOG_FD" if config.framed_logs else None,
        directory=config.directory.resolve(),
    )
