"""What a trigger tells of an event and of the response to it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Protocol

    Json = dict[str, Any]
    # A message's id, its X-Ray header, and its other headers (lower-case names); "" is none.
    Message = tuple[str, str, Mapping[str, str]]

    class Trigger(Protocol):
        """The three functions of a trigger's module."""

        def infer(self, event: object) -> bool:
            """Whether `event` comes from this source; true for one trigger only."""
            ...

        def facts(self, event: Json, known_methods: frozenset[str]) -> Facts:
            """What the event says of itself; `infer(event)` was true."""
            ...

        def outcome(self, response: object) -> Outcome:
            """What the handler's return value says of the invocation."""
            ...


class Facts:
    """An event as the invocation span shows it.

    `name` None means the function's name; `trigger` is a ``faas.trigger`` value; `carrier` holds
    the headers that may carry trace context, lower-case. A batch of messages has a `consumer`
    instead: its contexts become links, because a span has one parent and a batch may have many.
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
    """The processing of a batch, as the CONSUMER span inside the invocation's shows it.

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


# Of `Outcome.failed_messages`: Lambda takes the response for a failure of every message.
ALL_MESSAGES = -1


class Outcome:
    """A response as the invocation span shows it; `error_type` "" means no error.

    `failed_messages` is how many of a batch it gives back, or `ALL_MESSAGES`.
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
    """`value` if it is a JSON object, else an empty one: no event is trusted to have a shape."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """`value` if it is a string, else ""."""
    return value if isinstance(value, str) else ""
