"""One invocation under AWS's emulator, in a fresh namespace that this process was started in.

Arguments: the emulator's binary, the layer's directory, the handler, the event. The working
directory is the function's. Prints the emulator's answer.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request

from tests.servers.loopback import loopback_up

_URL = "http://127.0.0.1:8080/2015-03-31/functions/function/invocations"
_PATIENCE_S = 60


def main() -> None:
    binary, layer, handler, event = sys.argv[1:]
    loopback_up()
    subprocess.run(["mount", "--bind", layer, "/opt"], check=True)
    address = ["--runtime-interface-emulator-address", "127.0.0.1:8080"]
    runtime = [sys.executable, "-m", "awslambdaric", handler]
    silent = subprocess.DEVNULL
    command = [binary, *address, *runtime]
    with subprocess.Popen(command, stdout=silent, stderr=silent) as emulator:
        sys.stdout.write(post(event.encode()).decode())
        emulator.terminate()


def post(event: bytes) -> bytes:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(_URL, event, timeout=_PATIENCE_S) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            return error.read()
        except urllib.error.URLError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.02)


if __name__ == "__main__":
    main()
