"""The modules each process has loaded, over the bare one, when it asks Lambda for something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from start_cost import modules
from start_cost.lambda_stub import EXTENSION_NEXT, REGISTER, RUNTIME_NEXT

if TYPE_CHECKING:
    from pathlib import Path

    from start_cost.processes import Sandbox

# Loaded while it waits for the answer to /next, so perhaps before the stub has seen the request.
_OF_THE_FORWARDER = (
    "endings function_lines http1_listener http1_server init_span json_text link log_intake "
    "log_records never_began patience platform_events platform_lines poster protobuf resource "
    "spans unfinished"
)
_WHILE_IT_WAITS = {"_json", "binascii", "struct", "zlib"} | {
    f"serverless_instrument.forwarder.{name}" for name in _OF_THE_FORWARDER.split()
}


def added_modules(sandbox: Sandbox, scratch: Path) -> dict[str, list[str]]:
    """{start: names of the modules it loads that the bare process does not}."""
    with sandbox.listening():
        ours = modules.loaded(sandbox.our_runtime, [RUNTIME_NEXT], scratch)
        aws = modules.loaded(sandbox.our_aws_runtime, [RUNTIME_NEXT], scratch)
    bare = modules.loaded(sandbox.bare_runtime, [RUNTIME_NEXT], scratch)
    bare_aws = modules.loaded(sandbox.bare_aws_runtime, [RUNTIME_NEXT], scratch)
    extension = modules.loaded(sandbox.bare_extension, [REGISTER], scratch)[REGISTER]
    forwarder = modules.loaded(sandbox.forwarder_directly, [REGISTER, EXTENSION_NEXT], scratch)
    return {
        "init_hello": _added(ours[RUNTIME_NEXT], bare[RUNTIME_NEXT]),
        "init_boto": _added(aws[RUNTIME_NEXT], bare_aws[RUNTIME_NEXT]),
        "forwarder_register": _added(forwarder[REGISTER], extension),
        "forwarder_next": _added(forwarder[EXTENSION_NEXT], [*extension, *_WHILE_IT_WAITS]),
    }


def _added(ours: list[str], bare: list[str]) -> list[str]:
    return sorted(set(ours) - set(bare))
