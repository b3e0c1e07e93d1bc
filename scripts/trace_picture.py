"""Draws docs/trace.svg: the output of scripts/demo as a picture. Reads `run --json` on stdin."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from serverless_instrument.local.view.trace_view import waterfall

_COLUMNS = 132
_COMMAND = "$ serverless-instrument run app.handler --event event.json"


def main() -> None:
    report = json.load(sys.stdin)
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(_COMMAND, style="bold"))
    for log in report["logs"]:
        console.print(Text(log["text"].rstrip("\n")), no_wrap=True, crop=True)
    traces: dict[str, list[dict[str, object]]] = {}
    for span in report["spans"]:
        traces.setdefault(span["traceId"], []).append(span)
    for spans in traces.values():
        console.print()
        console.print(waterfall(spans, _COLUMNS))
    target = Path(sys.argv[1])
    console.save_svg(str(target), title="serverless-instrument")
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
