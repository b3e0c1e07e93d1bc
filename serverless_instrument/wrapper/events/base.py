"""The types that a trigger returns: facts of an event, and the outcome of a response. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Protocol

    Json = dict[str, Any]
    # A message's id and its X-Ray header, "" where it has none, and its other headers (lower-case).
    Message = tuple[str, str, Mapping[str, str]]

    class Trigger(Protocol):
        """The three functions of a trigger's module."""

        def infer(self, event: object) -> bool:
            """Whether `event` comes from this source; true for one trigger only."""
            ...

        def facts(self, event: Json, known_methods: frozenset[str]) -> Facts:
            """The span's name and attributes from `event`, for which `infer` is true."""
            ...

        def outcome(self, response: object) -> Outcome:
            """Status, error and failed messages from the handler's return value."""
            ...


class Facts:
    """What the invocation's span shows of an event.

    Args:
        name: of the span; None for the function's name.
        trigger: a ``faas.trigger`` value.
        attributes: of the span.
        carrier: headers that may have trace context, with lower-case names.
        consumer: of a batch of messages, whose trace contexts become links, because a batch may
            have many and a span has one parent.
    """

    __slots__ = ("attributes", "carrier", "consumer", "name", "trigger")

    def __init__(
        self,
        name: str | None,
        trigger: str,
        attributes: dict[str, object],
        carrier: Mapping[str, str],
        *,
        consumer: Consumer | None = None,
    ) -> None:
        self.name = name
        self.trigger = trigger
        self.attributes = attributes
        self.carrier = carrier
        self.consumer = consumer


class Consumer:
    """What the CONSUMER span, a child of the invocation's, shows of a batch.

    `messages` is read once, and only if the span is sampled.
    """

    __slots__ = ("attributes", "message_count", "messages", "name")

    def __init__(
        self,
        name: str,
        attributes: dict[str, object],
        message_count: int,
        messages: Iterable[Message],
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.message_count = message_count
        self.messages = messages


# Value of `Outcome.failed_messages` where Lambda treats every message as failed.
ALL_MESSAGES = -1


class Outcome:
    """What the invocation's span shows of a response.

    Args:
        attributes: added to the span's.
        error_type: value of ``error.type``; "" for a success.
        message: of the error.
        failed_messages: how many messages of a batch the response reports as failed, or
            `ALL_MESSAGES`.
    """

    __slots__ = ("attributes", "error_type", "failed_messages", "message")

    def __init__(
        self,
        attributes: dict[str, object] | None = None,
        error_type: str = "",
        message: str = "",
        *,
        failed_messages: int = 0,
    ) -> None:
        self.attributes = attributes or {}
        self.error_type = error_type
        self.message = message
        self.failed_messages = failed_messages


def dictionary(value: object) -> Json:
    """`value` if it is a JSON object, else an empty one: an event may have any shape."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """`value` if it is a string, else ""."""
    return value if isinstance(value, str) else ""
