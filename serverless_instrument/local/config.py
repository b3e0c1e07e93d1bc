"""What a local Lambda runs, and the environment variables its processes get. Pure."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ACCOUNT_ID = "123456789012"
DEFAULT_REGION = "us-east-1"
FUNCTION_VERSION = "$LATEST"

# The shell's own copies of what Lambda sets would mislead the function. PYTHONPATH is among them:
# with it set the managed runtime leaves the layers off sys.path.
_LAMBDA_OWNED = re.compile(
    r"_|AWS_LAMBDA_|AWS_EXECUTION_ENV$|LAMBDA_|PYTHONPATH$|PYTHONHOME$|VIRTUAL_ENV$"
    r"|SERVERLESS_INSTRUMENT_(SOCKET|HANDLER|LOCAL_.*|TEST_.*)$"
)

# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html ("Environment
# variables specific to extensions"); every name that begins with "_" is withheld as well.
_NOT_FOR_EXTENSIONS = frozenset(
    (
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    )
)


@dataclass
class LocalConfig:
    """One function to run.

    Attributes:
        handler: as Lambda's setting: ``app.handler``, ``dir/mod.handler``, ``pkg.mod.handler``.
        directory: the function's code, Lambda's /var/task.
        env: variables on top of Lambda's own and the developer's.
        layer: zip file or directory that becomes /opt; None: the installed package.
        python: interpreter of the runtime process; it must be able to import awslambdaric.
        timeout_s: the function's timeout in seconds.
        memory_mb: the function's memory setting.
        enforce_memory: True kills a runtime that outgrows it, else it is only reported.
        instrumented: False runs the bare function: no exec wrapper, no extension.
        freeze: False leaves the processes running between invocations.
        on_log: called with (source, line) as lines arrive; source is ``function`` or ``extension``.
        base_env: the developer's environment; None: that of this process.
    """

    handler: str
    directory: Path
    env: Mapping[str, str] = field(default_factory=dict)
    layer: Path | None = None
    python: str = sys.executable
    timeout_s: float = 30
    memory_mb: int = 1769
    enforce_memory: bool = False
    instrumented: bool = True
    freeze: bool = True
    on_log: Callable[[str, str], None] | None = None
    base_env: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Place:
    """Where this run's pieces are: addresses, paths and names that differ from run to run."""

    api_address: str
    opt: Path
    socket_path: str
    log_stream: str
    metadata_token: str


def function_name(config: LocalConfig) -> str:
    """The function's name: ``AWS_LAMBDA_FUNCTION_NAME`` if given, else its directory's name."""
    given = config.env.get("AWS_LAMBDA_FUNCTION_NAME")
    if given:
        return given
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html: [a-zA-Z0-9-_]{1,64}
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", config.directory.resolve().name)[:64] or "function"


def region(config: LocalConfig, base_env: Mapping[str, str]) -> str:
    """The region the function is told it runs in."""
    for source in (config.env, base_env):
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            if source.get(name):
                return source[name]
    return DEFAULT_REGION


def function_arn(config: LocalConfig, base_env: Mapping[str, str]) -> str:
    """ARN of the function, unqualified as for an invocation by name."""
    where = region(config, base_env)
    return f"arn:aws:lambda:{where}:{ACCOUNT_ID}:function:{function_name(config)}"


def runtime_environment(
    config: LocalConfig,
    place: Place,
    base_env: Mapping[str, str],
    *,
    runtime_directory: str,
    exec_wrapper: str | None,
    python_version: str,
) -> dict[str, str]:
    """Environment of the runtime process.

    The names are those of
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    environment = {name: value for name, value in base_env.items() if not _LAMBDA_OWNED.match(name)}
    name, where = function_name(config), region(config, base_env)
    environment |= {
        "AWS_DEFAULT_REGION": where,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python_version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": FUNCTION_VERSION,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": place.log_stream,
        "AWS_LAMBDA_METADATA_API": place.api_address,
        "AWS_LAMBDA_METADATA_TOKEN": place.metadata_token,
        "AWS_LAMBDA_RUNTIME_API": place.api_address,
        "AWS_REGION": where,
        "LAMBDA_RUNTIME_DIR": runtime_directory,
        "LAMBDA_TASK_ROOT": str(config.directory.resolve()),
        "SERVERLESS_INSTRUMENT_LOCAL_OPT": str(place.opt),
        "SERVERLESS_INSTRUMENT_LOCAL_PYTHON": config.python,
        "SERVERLESS_INSTRUMENT_SOCKET": place.socket_path,
        "TZ": ":UTC",
        "_HANDLER": config.handler,
    }
    if exec_wrapper:
        environment["AWS_LAMBDA_EXEC_WRAPPER"] = exec_wrapper
    return environment | dict(config.env)


def extension_environment(runtime: Mapping[str, str]) -> dict[str, str]:
    """Environment of an extension: the runtime's without what is the runtime's own."""
    return {
        name: value
        for name, value in runtime.items()
        if not name.startswith("_") and name not in _NOT_FOR_EXTENSIONS
    }
