"""A real metrics store: VictoriaMetrics, fed with OTLP and asked in PromQL.

A delta is stored as it comes, so `sum_over_time` is what adds up to the total:
https://docs.victoriametrics.com/victoriametrics/integrations/opentelemetry/.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA

from tests.servers.loopback import free_port, listening

if TYPE_CHECKING:
    from pathlib import Path

_STOP_TIMEOUT_S = 15.0
_ARRIVAL_TIMEOUT_S = 30.0
_POLL_S = 0.1
_METRICS = "/opentelemetry/v1/metrics"


class Store:
    """A store with its data in `directory`.

    Attributes:
        url: a value for an ``OTEL_EXPORTER_OTLP_ENDPOINT``.
    """

    def __init__(self, binary: str, directory: Path) -> None:
        self._port = free_port()
        self._base = f"http://127.0.0.1:{self._port}"
        self.url = f"{self._base}/opentelemetry"
        self._log = directory / "store-log"
        self._command = [
            *(binary, f"-httpListenAddr=127.0.0.1:{self._port}"),
            f"-storageDataPath={directory / 'store'}",
            # Names with their unit and `_total`: type and unit can be seen in what is stored.
            "-opentelemetry.usePrometheusNaming",
            # Otherwise what came in the last 30 s is not in an answer.
            *("-search.latencyOffset=0s", "-search.disableCache"),
        ]

    async def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log
            )
        await listening(self._port)
        self._client = aiohttp.ClientSession(self._base)

    async def stop(self) -> None:
        """End it."""
        await self._client.close()
        self._process.terminate()
        await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)

    async def value(self, query: str) -> float | None:
        """What a query of one number gives, None where it finds nothing.

        https://docs.victoriametrics.com/victoriametrics/url-examples/#apiv1query
        """
        async with self._client.get("/internal/force_flush") as response:
            response.raise_for_status()
        # An instant is a whole second: what has just come is before the next but one.
        params = {"query": query, "time": str(int(time.time()) + 2)}
        async with self._client.get("/api/v1/query", params=params) as response:
            response.raise_for_status()
            result = (await response.json())["data"]["result"]
        assert len(result) < 2, f"{query} gives {len(result)} series"
        return float(result[0]["value"][1]) if result else None

    async def keeps_deltas(self) -> bool:
        """Whether it is one that stores deltas; older ones warn and drop them."""
        request = ExportMetricsServiceRequest()
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="probe")
        metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
        metric.sum.is_monotonic = True
        metric.sum.data_points.add(as_int=1, time_unix_nano=time.time_ns())
        headers = {"content-type": "application/x-protobuf"}
        body = request.SerializeToString()
        async with self._client.post(_METRICS, data=body, headers=headers) as response:
            response.raise_for_status()
        return await self.value("sum_over_time(probe_total[1h])") == 1

    async def becomes(self, query: str, value: float) -> None:
        """Wait until `query` gives `value`. Raises asyncio.TimeoutError."""

        async def polled() -> None:
            while await self.value(query) != value:
                await asyncio.sleep(_POLL_S)

        await asyncio.wait_for(polled(), _ARRIVAL_TIMEOUT_S)
