"""The specification's six standard samplers. Pure.

https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.records.propagation import SpanContext

STANDARD = frozenset(
    (
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    )
)

_U64 = (1 << 64) - 1


def sampled(name: str, ratio: float, trace_id: bytes, parent: SpanContext | None) -> bool:
    """Whether the sampler `name` records a span with this 16-byte trace id and remote parent.

    As in the Python SDK, the ratio is compared with the trace id's low 8 bytes, so that both sides
    of a call decide alike.
    """
    root = name
    if name.startswith("parentbased_"):
        if parent is not None:
            return parent.sampled
        root = name[len("parentbased_") :]
    if root == "traceidratio":
        return int.from_bytes(trace_id[8:], "big") < round(ratio * (_U64 + 1))
    return root == "always_on"
