"""What the handler's context object tells of an invocation; pure.

A context may be any object, since a function can be called by the user's own code: nothing here
raises, whatever the object does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.records.records import Attributes

_DEADLINE_MAX_MS = (1 << 63) - 1


def text_of(context: object, name: str) -> str:
    """The attribute `name` of `context` if it is a string, else ""."""
    try:
        value = getattr(context, name, "")
        return str.__str__(value) if isinstance(value, str) else ""
    except Exception:  # see the module's docstring
        return ""


def deadline_unix_ms(context: object, now_unix_ns: int) -> int:
    """The deadline in milliseconds since the epoch, 0 where the context does not tell it."""
    try:
        remaining_ms = context.get_remaining_time_in_millis()  # type: ignore[attr-defined] # guarded
        return min(max(0, now_unix_ns // 1_000_000 + int(remaining_ms)), _DEADLINE_MAX_MS)
    except Exception:  # see the module's docstring
        return 0


def arn_attributes(context: object) -> Attributes:
    """Attributes of the invoked ARN; in ``cloud.resource_id`` the version replaces an alias.

    https://opentelemetry.io/docs/specs/semconv/resource/cloud/ (cloud.resource_id)
    """
    arn = text_of(context, "invoked_function_arn")
    if not arn:
        return {}
    attributes: Attributes = {"aws.lambda.invoked_arn": arn}
    parts = arn.split(":")
    if len(parts) >= 7 and parts[0] == "arn":
        attributes["cloud.account.id"] = parts[4]
        version = text_of(context, "function_version")
        if len(parts) > 7 and version:
            parts[7] = version
        attributes["cloud.resource_id"] = ":".join(parts)
    return attributes


def client_carrier(context: object) -> dict[str, str]:
    """Propagation headers from the client context of ``Invoke``; {} where it names no span."""
    try:
        if getattr(context, "client_context", None) is None:
            return {}
        from serverless_instrument.wrapper.events import client_context

        return client_context.carrier(context)
    except Exception:  # see the module's docstring
        return {}
