"""Renders docs/settings.md from the declared settings; argument: the file to write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from serverless_instrument import declared_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from serverless_instrument.declared_settings import Setting

_INTRODUCTION = """\
# Settings

<!-- Generated: scripts/settings-table writes this file from declared_settings.py. -->

Every environment variable that is read, and by which process: the runtime, in the function's own
process, the forwarder beside it, or both, which agree. A blank value is an unset one. A value that
cannot be used gives one line in the log of an environment, which names it and the remedy, and the
default is used instead. A name that begins with `SERVERLESS_INSTRUMENT_` and is not known is named
there, too, with the nearest one.

| kind | values |
|---|---|
| boolean | `true`, `1`, `yes`, `on`, or `false`, `0`, `no`, `off`, in any case |
| OTel boolean | `true` in any case; anything else is false, as [specified][boolean] |
| count, bytes, milliseconds | a whole number from 0 up |
| choice | one of the words that are listed, in any case |
| list | members with commas between them |
| patterns | regular expressions, with `;;` or line breaks between them, or a JSON list |
| header patterns | header names or regular expressions, with commas between them, in any case |
| headers | `name=value,…`, values percent-encoded; they are never shown in a message |

[boolean]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#boolean
"""

_SIGNALS = """\
Each of them has a form for one signal, such as `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, which comes
before the general one for traces, logs or metrics.
"""

_NETWORK = """\
`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, are read as curl reads
them; `AWS_ENDPOINT_URL` (also `…_SECRETS_MANAGER` and `…_SSM`) and `AWS_CA_BUNDLE` as the AWS SDKs
do, for secrets.
"""

_INTERNAL = """\
## Set by the package itself

Handed from one part of it to another; nobody else has to set them.
"""


def render() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for title, settings in declared_settings.SECTIONS:
        parts += [f"## {title}\n", _table(settings)]
        if settings is declared_settings.EXPORT:
            parts.append(_SIGNALS)
        elif title.endswith("network"):
            parts.append(_NETWORK)
    return "\n".join([*parts, _INTERNAL, _table(declared_settings.INTERNAL)])


def _table(settings: Iterable[Setting]) -> str:
    return "".join(_rows(settings))


def _rows(settings: Iterable[Setting]) -> Iterator[str]:
    yield "| variable | kind | default | read by | meaning |\n|---|---|---|---|---|\n"
    for each in settings:
        default = f"`{each.default}`" if each.default else ""
        name = f"`{each.name}`"
        yield f"| {name} | {each.kind} | {default} | {each.read_by} | {each.meaning} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render())
