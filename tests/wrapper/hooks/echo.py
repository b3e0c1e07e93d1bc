"""A local HTTP server that keeps the requests."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType


class Request(NamedTuple):
    """A request; header names in lower case."""

    path: str
    headers: dict[str, str]


class Echo:
    """Answers ``/status/<code>…`` with that code, ``/redirect`` with one to ``/status/200``."""

    def __init__(self) -> None:
        requests: list[Request] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                named = {name.lower(): value for name, value in self.headers.items()}
                requests.append(Request(self.path, named))
                parts = self.path.partition("?")[0].split("/")
                if parts[1] == "redirect":
                    self.send_response(302)
                    self.send_header("Location", "/status/200")
                else:
                    self.send_response(int(parts[2]))
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                return

        self.requests = requests
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Echo:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
