"""The function's resource, for telemetry of a runtime that has not sent its own. Pure."""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import attribute
from serverless_instrument.resource import attributes
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def encoded(environ: Mapping[str, str]) -> bytes:
    """An encoded ``opentelemetry.proto.resource.v1.Resource`` of what `environ` tells.

    What is wrong in `environ` is reported by the runtime process alone.
    """
    values = attributes(environ, [])
    return b"".join([field(b"\x0a", attribute(name, value)) for name, value in values.items()])
