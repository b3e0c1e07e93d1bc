"""Environment variables of flushing, queue and spool. Pure.

A value that cannot be used becomes one warning, which names it and the remedy, and the default.
"""

from __future__ import annotations

from serverless_instrument import environment, wire
from serverless_instrument.forwarder.delivery import flush_strategy, retry_queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FLUSH = "SERVERLESS_INSTRUMENT_FLUSH"
# /tmp has 512 MB unless more is paid for, and is the function's.
_DEFAULT_SPOOL_BYTES = 32 * 1024 * 1024
# One request of the largest size must have room.
_LEAST_QUEUE_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 10 * 1024 * 1024 * 1024
_INTERVALS_MS = (10, 3_600_000)
_WITH_INTERVAL = (flush_strategy.PERIODICALLY, flush_strategy.CONTINUOUSLY)
_MANAGED_INSTANCES = "lambda-managed-instances"


class FlushSettings:
    """When to flush and how much to keep.

    `frozen` is whether Lambda freezes the environment between invocations; `spool_bytes` of 0
    switches the spool off, whose directory is `spool_directory`.

    Args:
        environ: the environment.
        told_of_shutdown: whether Lambda will say when the environment ends. If it does not, nothing
            may wait for that.
    """

    __slots__ = (
        "frozen",
        "interval_ms",
        "kind",
        "queue_bytes",
        "spool_bytes",
        "spool_directory",
        "warnings",
    )

    def __init__(self, environ: Mapping[str, str], *, told_of_shutdown: bool = True) -> None:
        self.warnings: list[str] = []
        self.frozen = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != _MANAGED_INSTANCES
        self._flush(environment.value_of(environ, _FLUSH).lower())
        if not told_of_shutdown and self.frozen:
            self.kind = flush_strategy.END
        self.queue_bytes = environment.count(
            environ,
            "SERVERLESS_INSTRUMENT_QUEUE_BYTES",
            retry_queue.DEFAULT_LIMIT_BYTES,
            self.warnings,
            _LEAST_QUEUE_BYTES,
            _MOST_BYTES,
            " of bytes",
        )
        self.spool_bytes = environment.count(
            environ,
            "SERVERLESS_INSTRUMENT_SPOOL_BYTES",
            _DEFAULT_SPOOL_BYTES,
            self.warnings,
            0,
            _MOST_BYTES,
            " of bytes",
        )
        directory = wire.socket_path(environ).rpartition("/")[0] or "."
        self.spool_directory = f"{directory}/spool"

    def _flush(self, value: str) -> None:
        kind, comma, interval = [part.strip() for part in value.partition(",")]
        self.kind = kind if kind in flush_strategy.KINDS else flush_strategy.ADAPTIVE
        self.interval_ms = flush_strategy.DEFAULT_INTERVAL_MS[self.kind]
        if value and kind not in flush_strategy.KINDS:
            self._warn(
                value,
                "using adaptive: set it to adaptive, end, periodically,MS or continuously,MS",
            )
        elif comma:
            least, most = _INTERVALS_MS
            number = environment.whole(interval)
            if kind in _WITH_INTERVAL and least <= number <= most:
                self.interval_ms = number
            elif kind in _WITH_INTERVAL:
                self._warn(
                    value,
                    f"using {kind},{self.interval_ms}: give milliseconds from {least} to {most}",
                )
            else:
                self._warn(value, f"using {kind}, which takes no milliseconds")

    def _warn(self, value: str, text: str) -> None:
        environment.warn(self.warnings, _FLUSH, value, f"cannot be used, {text}")
