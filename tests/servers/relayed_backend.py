"""Backends for the forwarder under test: one that keeps what it gets, and the ways to fail."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from typing import TYPE_CHECKING

from serverless_instrument.local.otlp_receiver import Answer, OtlpReceiver
from tests.integration import scenario
from tests.integration.scenario import Export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_RELAY_READ_BYTES = 65536
_POLL_S = 0.01
_IDLE_S = 0.2


class Backend:
    """A recording receiver behind a relay whose connections can be cut.

    Attributes:
        url: a value for ``OTEL_EXPORTER_OTLP_ENDPOINT``.
    """

    def __init__(self, receiver: OtlpReceiver) -> None:
        self.url = ""
        self._receiver = receiver
        self._writers: set[asyncio.StreamWriter] = set()
        self._carried_at_s = 0.0

    def exports(self) -> tuple[Export, ...]:
        """Every request so far, the ones answered with a failure among them."""
        return tuple(
            Export(path, headers, base64.b64encode(body).decode())
            for path, headers, body in self._receiver.raw
        )

    def span_count(self) -> int:
        """How many spans have come so far."""
        return len(self._receiver.spans())

    async def received(self, count: int, name: str = "") -> None:
        """Wait for `count` spans, or so many of one name."""
        while sum(name in ("", span.name) for _, _, span in self._receiver.spans()) < count:
            await asyncio.sleep(_POLL_S)

    def cut_connections(self) -> None:
        """Reset every connection, as a peer that restarts does."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def cut_idle_connections(self) -> None:
        """The same once nothing is on its way: a flush may go on after the answer."""
        while time.monotonic() - self._carried_at_s < _IDLE_S:
            await asyncio.sleep(_POLL_S)
        self.cut_connections()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to the receiver and back."""
        host, port = self._receiver.url.removeprefix("http://").split(":")
        onward_reader, onward_writer = await asyncio.open_connection(host, int(port))
        self._writers |= {writer, onward_writer}
        try:
            await asyncio.gather(
                self._copy(reader, onward_writer), self._copy(onward_reader, writer)
            )
        finally:
            self._writers -= {writer, onward_writer}
            writer.close()
            onward_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_RELAY_READ_BYTES):
                self._carried_at_s = time.monotonic()
                writer.write(data)
                await writer.drain()
        writer.close()


async def _unavailable(_path: str) -> Answer:
    return 503, {}, b""


async def _never(_path: str) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets was set")


@contextlib.asynccontextmanager
async def serve(treatment: str) -> AsyncIterator[Backend]:
    """A backend that gives the forwarder `treatment`, one of those in `scenario`."""
    async with OtlpReceiver() as receiver:
        if treatment == scenario.UNAVAILABLE:
            receiver.respond = _unavailable
        elif treatment == scenario.HANGING:
            receiver.respond = _never
        backend = Backend(receiver)
        server = await asyncio.start_server(backend.relay, "127.0.0.1", 0)
        backend.url = "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
        if treatment == scenario.REFUSING:
            server.close()
        elif treatment == scenario.ABSENT:
            backend.url = ""
        try:
            yield backend
        finally:
            server.close()
            backend.cut_connections()
