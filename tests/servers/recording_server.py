"""An HTTP server on loopback that keeps the requests it gets."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType


class Request(NamedTuple):
    """One request; header names in lower case."""

    path: str
    headers: dict[str, str]


class RecordingServer:
    """Context manager that answers GET.

    ``/status/NUMBER…`` gets that status, ``/redirect`` one to ``/status/200``, the rest 200.

    Attributes:
        url: ``http://127.0.0.1:PORT``.
        requests: all that have come.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        recorded = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                recorded.append(Request(self.path, headers))
                parts = self.path.partition("?")[0].split("/")
                if parts[1] == "redirect":
                    self.send_response(302)
                    self.send_header("Location", "/status/200")
                else:
                    self.send_response(int(parts[2]) if parts[1] == "status" else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> RecordingServer:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
