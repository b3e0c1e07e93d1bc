"""A runtime on the Runtime API alone: answers each event with the very bytes it consists of."""

from __future__ import annotations

import http.client
import os

INVOCATION = "/2018-06-01/runtime/invocation"


def main() -> None:
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", f"{INVOCATION}/next")
        answer = connection.getresponse()
        event = answer.read()
        request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        connection.request("POST", f"{INVOCATION}/{request_id}/response", event)
        connection.getresponse().read()


if __name__ == "__main__":
    main()
