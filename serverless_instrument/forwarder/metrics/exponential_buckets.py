"""Buckets of exponential histograms, by index, merged at the finest scale that holds both; pure.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponential-scale: halving the scale
joins neighbours, so that index i becomes i >> 1, which is exact.
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
# One side of a defective message must not fill the memory.
_MOST_READ = 100_000
# A sum of counts may not fit where each of them did.
_MOST_COUNTED = (1 << 64) - 1


def zigzag(value: int) -> int:
    """The sint32 of a varint."""
    return (value >> 1) ^ -(value & 1)


def to_zigzag(value: int) -> int:
    """What `zigzag` reads."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def decode(data: bytes) -> Buckets:
    """Counts by index of a ``Buckets`` message, empty ones left out. Raises ValueError."""
    offset, counts = 0, []
    for number, wire_type, value in protobuf.fields(data):
        if number == 1 and isinstance(value, int):
            offset = zigzag(value)
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


def merged(mine: Side, theirs: Side) -> Side:
    """(scale, positive, negative) of both: the coarser scale, or less where it needs too many."""
    scale = min([side[0] for side in (mine, theirs) if side[1] or side[2]], default=theirs[0])
    sides = [
        [_joined(own, mine[0], scale), _joined(other, theirs[0], scale)]
        for own, other in ((mine[1], theirs[1]), (mine[2], theirs[2]))
    ]
    shift = 0
    # At a scale of -10 every double has its place in two buckets; indices that are still far apart
    # are no measurements', and a gap of four thousand million would be written out.
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


def _joined(buckets: Buckets, scale: int, coarser: int) -> Buckets:
    shift = max(scale - coarser, 0)
    joined: Buckets = {}
    for index, count in buckets.items():
        joined[index >> shift] = joined.get(index >> shift, 0) + count
    return joined


def _width(pair: list[Buckets], shift: int) -> int:
    indices = [index for buckets in pair for index in buckets]
    return (max(indices) >> shift) - (min(indices) >> shift) + 1 if indices else 0
