"""An external extension on sockets alone, run as a script: what the platform says, it writes down.

The journal (one JSON document per line) goes to the file named by RAW_EXTENSION_JOURNAL, the
instructions come as JSON in RAW_EXTENSION: ``script`` is a list of requests
``[method, path, headers, body]`` to send first, in which ``$ID`` stands for the identifier;
further keys are read below.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import sys
import threading
import time
from typing import Any

ORDERS: dict[str, Any] = json.loads(os.environ.get("RAW_EXTENSION", "{}"))
JOURNAL = os.environ["RAW_EXTENSION_JOURNAL"]
NAME = os.environ.get("RAW_EXTENSION_NAME") or os.path.basename(sys.argv[1])
REGISTER = "/2020-01-01/extension/register"
NEXT = "/2020-01-01/extension/event/next"


def note(what: str, **details: Any) -> None:
    line = json.dumps({"what": what, "time_ns": time.time_ns(), **details}) + "\n"
    with open(JOURNAL, "a", encoding="utf-8") as journal:
        journal.write(line)


def call(method: str, path: str, headers: dict[str, str], body: str | None) -> tuple[int, Any, Any]:
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    answer = json.loads(text) if text.startswith(("{", '"')) else text
    return response.status, dict(response.getheaders()), answer


class Listener(http.server.BaseHTTPRequestHandler):
    """Receives Telemetry API posts; refuses as many as it was told to."""

    refusals = ORDERS.get("refuse_posts", 0)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        refused = Listener.refusals > 0
        Listener.refusals -= refused
        note("post", path=self.path, host=self.headers["Host"], refused=refused, events=body)
        self.send_response(503 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not on stderr: what an extension prints is telemetry too."""


def listen() -> int:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def subscribe(identifier: str) -> None:
    port = listen()
    request = {
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function"],
        "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}/here"},
        **ORDERS["subscribe"],
    }
    headers = {"Lambda-Extension-Identifier": identifier}
    note("subscribe", answer=call("PUT", "/2022-07-01/telemetry", headers, json.dumps(request)))


def run_script(identifier: str, script: list[Any]) -> None:
    for method, path, headers, body in script:
        named = {key: value.replace("$ID", identifier) for key, value in headers.items()}
        note(
            "answer", request=[method, path, headers, body], answer=call(method, path, named, body)
        )


def main() -> None:
    note("start", environment=dict(os.environ))
    os.write(1, b"extension is up\n")
    time.sleep(ORDERS.get("register_delay_s", 0))
    run_script("", ORDERS.get("before_register", []))
    if "exit_before_register" in ORDERS:
        sys.exit(ORDERS["exit_before_register"])
    events = ORDERS.get("events", ["INVOKE", "SHUTDOWN"])
    headers = {"Lambda-Extension-Name": NAME, **ORDERS.get("register_headers", {})}
    status, answer_headers, body = call("POST", REGISTER, headers, json.dumps({"events": events}))
    note("register", answer=(status, answer_headers, body))
    identifier = answer_headers["Lambda-Extension-Identifier"]
    if "subscribe" in ORDERS:
        subscribe(identifier)
    run_script(identifier, ORDERS.get("script", []))
    while True:
        _, _, event = call("GET", NEXT, {"Lambda-Extension-Identifier": identifier}, None)
        note("event", event=event)
        if event["eventType"] == "SHUTDOWN":
            time.sleep(ORDERS.get("shutdown_delay_s", 0))
            note("exit")
            sys.exit(ORDERS.get("exit_code", 0))
        if "exit_on_invoke" in ORDERS:
            sys.exit(ORDERS["exit_on_invoke"])
        run_script(identifier, ORDERS.get("on_invoke", []))
        time.sleep(ORDERS.get("next_delay_s", 0))
        note("next")


if __name__ == "__main__":
    main()
