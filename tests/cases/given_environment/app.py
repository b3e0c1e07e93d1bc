"""Returns the environment that it and its children have."""

import os
import subprocess
import sys

OWN = ("AWS_LAMBDA_EXEC_WRAPPER", "AWS_LAMBDA_RUNTIME_API", "OTEL_", "FAKE_AWS", "SINK", "MOTO")
HERE = ("SERVERLESS_INSTRUMENT_LOCAL", "SERVERLESS_INSTRUMENT_SOCKET", "AWS_LAMBDA_LOG_STREAM_NAME")


def shown(environ):
    return sorted(
        f"{name}={len(value)}" if name == "PYTHONPATH" else f"{name}={value}"
        for name, value in environ.items()
        if not name.startswith(OWN + HERE) and name != "LC_CTYPE"
    )


def handler(event, context):
    code = "import os; print(*os.environ, sep=' ')"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    return {
        "own": shown(os.environ),
        "child": sorted(n for n in child.split() if not n.startswith(OWN + HERE)),
    }
