"""Environment variables of flushing, queue and spool; pure.

A value that cannot be used becomes one warning, which names it and the remedy, and the default.
"""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery import flush_strategy, retry_queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FLUSH = "SERVERLESS_INSTRUMENT_FLUSH"
_QUEUE = "SERVERLESS_INSTRUMENT_QUEUE_BYTES"
_SPOOL = "SERVERLESS_INSTRUMENT_SPOOL_BYTES"
# /tmp has 512 MB unless more is paid for, and is the function's.
_DEFAULT_SPOOL_BYTES = 32 * 1024 * 1024
# One request of the largest size must have room.
_LEAST_QUEUE_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 10 * 1024 * 1024 * 1024
_INTERVALS_MS = (10, 3_600_000)
_WITH_INTERVAL = (flush_strategy.PERIODICALLY, flush_strategy.CONTINUOUSLY)
_MANAGED_INSTANCES = "lambda-managed-instances"
_SHOWN_CHARACTERS = 100


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
        self._flush(environ.get(_FLUSH, "").strip().lower())
        if not told_of_shutdown and self.frozen:
            self.kind = flush_strategy.END
        self.queue_bytes = self._bytes(
            environ, _QUEUE, retry_queue.DEFAULT_LIMIT_BYTES, _LEAST_QUEUE_BYTES
        )
        self.spool_bytes = self._bytes(environ, _SPOOL, _DEFAULT_SPOOL_BYTES, 0)
        directory = wire.socket_path(environ).rpartition("/")[0] or "."
        self.spool_directory = f"{directory}/spool"

    def _flush(self, value: str) -> None:
        kind, comma, interval = [part.strip() for part in value.partition(",")]
        self.kind = kind if kind in flush_strategy.KINDS else flush_strategy.ADAPTIVE
        self.interval_ms = flush_strategy.DEFAULT_INTERVAL_MS[self.kind]
        if value and kind not in flush_strategy.KINDS:
            self._warn(
                _FLUSH,
                value,
                "using adaptive: set it to adaptive, end, periodically,MS or continuously,MS",
            )
        elif comma:
            least, most = _INTERVALS_MS
            number = int(interval[:9]) if interval.isascii() and interval.isdigit() else 0
            if kind in _WITH_INTERVAL and least <= number <= most:
                self.interval_ms = number
            elif kind in _WITH_INTERVAL:
                self._warn(
                    _FLUSH,
                    value,
                    f"using {kind},{self.interval_ms}: give milliseconds from {least} to {most}",
                )
            else:
                self._warn(_FLUSH, value, f"using {kind}, which takes no milliseconds")

    def _bytes(
        self, environ: Mapping[str, str], name: str, default_bytes: int, least_bytes: int
    ) -> int:
        value = environ.get(name, "").strip()
        if not value:
            return default_bytes
        number = int(value[:15]) if value.isascii() and value.isdigit() else -1
        if least_bytes <= number <= _MOST_BYTES:
            return number
        self._warn(
            name, value, f"using {default_bytes}: set it to a number of bytes from {least_bytes} up"
        )
        return default_bytes

    def _warn(self, name: str, value: str, text: str) -> None:
        shown = "".join([c if c.isprintable() else "?" for c in value[:_SHOWN_CHARACTERS]])
        self.warnings.append(f'{name}="{shown}" cannot be used, {text}')
