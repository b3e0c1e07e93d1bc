"""AWS Transfer Family: a custom identity provider.

https://docs.aws.amazon.com/transfer/latest/userguide/custom-lambda-idp.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome

_PROTOCOL_CHARACTERS = 8  # SFTP, FTPS and FTP; in AWS's words AS2, too


def infer(event: object) -> bool:
    """A user of a server who signs in."""
    return isinstance(event, dict) and all(
        isinstance(event.get(key), str) for key in ("serverId", "username", "protocol")
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """Where the client is; who it is, and the password, is not recorded."""
    attributes = {
        "client.address": text(event.get("sourceIp")),
        "network.protocol.name": text(event.get("protocol"))[:_PROTOCOL_CHARACTERS].lower(),
    }
    return source.facts("aws:transfer", attributes=attributes)
