"""The recipe of a trigger with a file of its own: module, registration, event and expected span."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from recipes.source_list import RecipeError, with_entry

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_PACKAGE = "serverless_instrument/wrapper"
_REGISTRY = f"{_PACKAGE}/events/registry.py"

_MODULE = '''\
"""{title}.

{page}
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """An event with the key that no other source has."""
    return isinstance(event, dict) and isinstance(event.get("{key}"), str)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The event's source; what else it says of itself that helps, and nothing personal."""
    return source.facts("{source}")
'''

_NEXT_STEPS = """\
Written:
{written}

It is complete and its tests pass. Now make it true, in this order:

1. {event}: the whole event as AWS documents it (or as one was caught), with made-up names.
2. {module}: the source's name and the address of AWS's page at its top; `infer`: the
   narrowest look that tells this source from all others; `facts`: the span's name, attributes and
   headers that may carry trace context, by the semantic convention of its kind where there is one
   (`Facts` in wrapper/events/base.py). Whatever the event holds, neither may raise.
3. {expected}: the span that this event gives.
4. {registry}: the row ("{key}", "{name}") of _BY_KEY is the glance that finds the file.
   Without a key of its own: see _of_request and _of_keys there; batches: records_registry.py.
5. A line in CHANGELOG.md, and in README.md where it lists the event sources.

Run: scripts/test tests/wrapper/triggers tests/wrapper/events tests/test_architecture.py
"""


class Trigger(NamedTuple):
    """A trigger to be: its module's name, the key that its events have, ``aws:…``."""

    name: str
    key: str
    source: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of this recipe."""
    parser.add_argument("name", help="its module's name, like s3_batch")
    parser.add_argument("--key", default="", help="a top-level key that only its events have")
    parser.add_argument("--source", default="", help="like aws:s3-batch, in its spans")


def from_arguments(arguments: argparse.Namespace) -> Trigger:
    """What the command line asks for.

    Raises:
        RecipeError: a name or a key that cannot be one.
    """
    name = arguments.name
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise RecipeError(
            f"{name!r} is no name for a trigger; lower case and underscores, like ses"
        )
    first, *others = name.split("_")
    key = arguments.key or "".join([first, *(word.title() for word in others), "Id"])
    if not re.fullmatch(r"[\w.:-]+", key):
        raise RecipeError(f"--key {key!r}: letters, digits and . : - alone")
    return Trigger(name, key, arguments.source or f"aws:{name.replace('_', '-')}")


def write(root: Path, trigger: Trigger) -> str:
    """Write everything below `root`; what to say of it.

    Raises:
        RecipeError: there is such a trigger, or the registry is not as it was.
    """
    name = trigger.name
    registry = (root / _REGISTRY).read_text()
    row = f'("{trigger.key}", "{name}")'
    if f'("{trigger.key}", ' in registry:
        raise RecipeError(f"--key {trigger.key}: another source's; name one that it has alone")
    if f'"{name}"' in registry:
        raise RecipeError(f'NAMES has "{name}" already; choose another name')
    registry = with_entry(registry, "NAMES", f'"{name}"', ordered=True)
    registry = with_entry(registry, "_BY_KEY", row, ordered=False)
    expected = {
        "trigger": name,
        "name": "shop",
        "kind": "SERVER",
        "attributes": {"faas.trigger": "other", "aws.lambda.event_source": trigger.source},
        "parent": None,
        "consumer": None,
    }
    files = {
        "module": f"{_PACKAGE}/triggers/{name}.py",
        "event": f"tests/events/{name}.json",
        "expected": f"tests/wrapper/triggers/expected/{name}.json",
    }
    for path in files.values():
        if (root / path).exists():
            raise RecipeError(f"{path} is there already; choose another name")
    title = name.replace("_", " ").capitalize()
    page = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html"
    module = _MODULE.format(title=title, page=page, key=trigger.key, source=trigger.source)
    (root / files["module"]).write_text(module)
    (root / files["event"]).write_text(_json({trigger.key: "example"}))
    (root / files["expected"]).write_text(_json(expected))
    (root / _REGISTRY).write_text(registry)
    written = "\n".join(f"  {path}" for path in (*files.values(), f"{_REGISTRY} (two lines)"))
    return _NEXT_STEPS.format(
        written=written, registry=_REGISTRY, name=name, key=trigger.key, **files
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
