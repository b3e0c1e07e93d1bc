"""Which trigger claims an event; loads a trigger's file when its first event comes."""

from __future__ import annotations

from importlib import import_module

from serverless_instrument.wrapper.triggers.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.triggers.base import Json, Trigger

# Every trigger, for the tests: exactly one of them claims each known event.
NAMES = ("http_api_v2", "function_url", "rest_v1", "alb", "direct")
FALLBACK = "direct"

_loaded: dict[str, Trigger] = {}


def load(name: str) -> Trigger:
    """The trigger module `name`, one of `NAMES`."""
    trigger = _loaded.get(name)
    if trigger is None:
        trigger = import_module(f"serverless_instrument.wrapper.triggers.{name}")
        _loaded[name] = trigger
    return trigger


def select(event: object) -> Trigger:
    """The trigger that claims `event`, else the fallback.

    A glance at the keys names a candidate, so that only its file is loaded; the candidate's own
    `infer` decides.
    """
    name = _candidate(event) if isinstance(event, dict) else FALLBACK
    trigger = load(name)
    if name != FALLBACK and not trigger.infer(event):
        return load(FALLBACK)
    return trigger


def _candidate(event: Json) -> str:
    context = dictionary(event.get("requestContext"))
    if "elb" in context:
        return "alb"
    if "http" in context:
        is_url = ".lambda-url." in text(context.get("domainName"))
        return "function_url" if is_url else "http_api_v2"
    if "httpMethod" in event and "requestContext" in event:
        return "rest_v1"
    return FALLBACK
