"""Buckets of exponential histograms, merged at the finest scale that has room for both. Pure.

Lowering the scale by one joins neighbours, exactly: index i becomes i >> 1
(https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponential-scale).
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    Buckets = dict[int, int]
    Side = tuple[int, Buckets, Buckets]

# The SDK specification's default for either range.
MAX_BUCKETS = 160
# A defective message must not fill the memory.
_MOST_READ = 100_000
# A sum of counts may exceed 64 bits.
_MOST_COUNTED = (1 << 64) - 1


def from_zigzag(value: int) -> int:
    """The sint32 that the varint `value` encodes."""
    return (value >> 1) ^ -(value & 1)


def to_zigzag(value: int) -> int:
    """The varint that encodes the sint32 `value`."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def decode(data: bytes) -> Buckets:
    """Counts by index of a ``Buckets`` message, empty ones left out. Raises ValueError."""
    offset, counts = 0, []
    for number, wire_type, value in protobuf.fields(data):
        if number == 1 and isinstance(value, int):
            offset = from_zigzag(value)
        elif number == 2 and isinstance(value, int):
            counts.append(value)
        elif number == 2 and wire_type == protobuf.BYTES:
            assert isinstance(value, bytes)
            position = 0
            while position < len(value):
                count, position = protobuf.varint(value, position)
                counts.append(count)
        if len(counts) > _MOST_READ:
            raise ValueError(f"more than {_MOST_READ} buckets")
    return {offset + place: count for place, count in enumerate(counts) if count}


def encode(buckets: Buckets) -> bytes:
    """A ``Buckets`` message of at least one bucket."""
    first, last = min(buckets), max(buckets)
    counts = b"".join(
        [varint(min(buckets.get(index, 0), _MOST_COUNTED)) for index in range(first, last + 1)]
    )
    return b"\x08" + varint(to_zigzag(first)) + field(b"\x12", counts)


def merge_sides(mine: Side, theirs: Side) -> Side:
    """(scale, positive, negative) of both, at the coarser scale or, for `MAX_BUCKETS`, below."""
    scale = min([side[0] for side in (mine, theirs) if side[1] or side[2]], default=theirs[0])
    sides = [
        [_rescaled(own, mine[0], scale), _rescaled(other, theirs[0], scale)]
        for own, other in ((mine[1], theirs[1]), (mine[2], theirs[2]))
    ]
    shift = 0
    # At a scale of -10 two buckets hold every double. Defective messages may need a lower one:
    # encoding writes out each empty bucket between two indices.
    while any(_width(pair, shift) > MAX_BUCKETS for pair in sides):
        shift += 1
    results = []
    for pair in sides:
        total: Buckets = {}
        for buckets in pair:
            for index, count in buckets.items():
                total[index >> shift] = total.get(index >> shift, 0) + count
        results.append(total)
    return scale - shift, results[0], results[1]


def _rescaled(buckets: Buckets, scale: int, coarser: int) -> Buckets:
    shift = max(scale - coarser, 0)
    joined: Buckets = {}
    for index, count in buckets.items():
        joined[index >> shift] = joined.get(index >> shift, 0) + count
    return joined


def _width(pair: list[Buckets], shift: int) -> int:
    indices = [index for buckets in pair for index in buckets]
    return (max(indices) >> shift) - (min(indices) >> shift) + 1 if indices else 0
