"""The environment variables that Lambda sets, for a runtime and for an extension.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import serverless_instrument.local

RUNTIME_DIRECTORY = Path(serverless_instrument.local.__file__).parent / "runtime"

# In the environment, so that boto3 asks nobody for them over the network.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


def extension(api_address: str, socket: Path, python: str = sys.executable) -> dict[str, str]:
    """What an extension gets; `socket` is where the forwarder listens, `python` what runs it."""
    return {
        "AWS_LAMBDA_RUNTIME_API": api_address,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "eu-central-1",
        "LANG": "en_US.UTF-8",
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "SERVERLESS_INSTRUMENT_LOCAL_PYTHON": python,
        "SERVERLESS_INSTRUMENT_SOCKET": str(socket),
    }


def runtime(
    api_address: str, socket: Path, task: Path, opt: Path, python: str = sys.executable
) -> dict[str, str]:
    """What the runtime gets for a function whose code is in `task`, with the layer at `opt`."""
    return {
        **extension(api_address, socket, python),
        "_HANDLER": "app.handler",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "LAMBDA_TASK_ROOT": str(task),
        "LAMBDA_RUNTIME_DIR": str(RUNTIME_DIRECTORY),
        "SERVERLESS_INSTRUMENT_LOCAL_OPT": str(opt),
    }
