"""What a trigger tells of an event and of the response to it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    Json = dict[str, Any]

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
    the headers that may carry trace context, lower-case.
    """

    __slots__ = ("attributes", "carrier", "name", "trigger")

    def __init__(
        self,
        name: str | None,
        trigger: str,
        attributes: dict[str, object],
        carrier: Mapping[str, str],
    ) -> None:
        self.name = name
        self.trigger = trigger
        self.attributes = attributes
        self.carrier = carrier


class Outcome:
    """A response as the invocation span shows it; `error_type` "" means no error."""

    __slots__ = ("attributes", "error_type", "message")

    def __init__(
        self, attributes: dict[str, object] | None = None, error_type: str = "", message: str = ""
    ) -> None:
        self.attributes = attributes or {}
        self.error_type = error_type
        self.message = message


def dictionary(value: object) -> Json:
    """`value` if it is a JSON object, else an empty one: no event is trusted to have a shape."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """`value` if it is a string, else ""."""
    return value if isinstance(value, str) else ""
