"""Telemetry records of the runtime side and their encoding; and `is_ours`, for every guard."""

from __future__ import annotations

_name = type.__dict__["__name__"].__get__


def type_name(value: object) -> str:
    """The name of the type of `value`, whose metaclass may raise when it is asked for it."""
    name: str = _name(type(value))
    return name


def is_ours(error: BaseException) -> bool:
    """Whether our code, or what it calls, raised `error`; a guard raises any other again.

    See `guards`. It is here, and its module loaded late, so that no start pays for a module.
    """
    from serverless_instrument.wrapper.records import guards

    return guards.is_ours(error)
