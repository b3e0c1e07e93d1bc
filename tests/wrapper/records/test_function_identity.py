"""What is read of a callable that may be any object."""

from __future__ import annotations

import functools
from types import MethodType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from serverless_instrument.wrapper.records.function_identity import copy_identity, plain_function

if TYPE_CHECKING:
    from collections.abc import Callable


def handler(event: object, context: object) -> None:
    """Its text."""


class Meta(type):
    def __getattribute__(cls, name: str) -> NoReturn:
        raise RuntimeError(name)


class Unbound(metaclass=Meta):
    """Raises for everything that it, or its class, is asked for."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(name)

    def __call__(self, *_: object) -> int:
        return 1

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError("==")

    def __hash__(self) -> NoReturn:
        raise RuntimeError("hash")

    def __bool__(self) -> NoReturn:
        raise RuntimeError("bool")


class Service:
    def handle(self, event: object, context: object) -> None:
        """Handles."""


UNBOUND: Any = type.__call__(Unbound)
# In functions, because pytest asks what it has as parameters.
OTHERS: dict[str, Callable[[], Any]] = {
    "unbound": lambda: UNBOUND,
    "object": Service,
    "class": lambda: Service,
    "partial": lambda: functools.partial(handler, None),
    "method of a proxy": lambda: MethodType(UNBOUND, 1),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_objects_are_asked_for_nothing(kind: str) -> None:
    def wrapper() -> None: ...

    target = OTHERS[kind]()
    assert plain_function(target) is None
    copy_identity(wrapper, target)
    assert vars(wrapper)["__wrapped__"] is target
    assert wrapper.__name__ == "wrapper"


@pytest.mark.parametrize("target", [handler, Service().handle])
def test_a_function_or_method_gives_what_wraps_copies(target: Any) -> None:
    def wrapper(*_: object) -> None: ...

    @functools.wraps(target)
    def expected(*_: object) -> None: ...

    copy_identity(wrapper, target)
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        assert getattr(wrapper, name) == getattr(expected, name)
    assert vars(wrapper) == vars(expected)
