"""The fuzzer's targets with changed inputs, fewer and unguided: what every test run can afford."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.targets import TARGETS

INPUTS = 3_000


def changed(data: bytes, source: random.Random) -> bytes:
    """`data` with a few bytes or stretches changed, doubled or gone."""
    made = bytearray(data)
    for _ in range(source.randint(1, 6)):
        if not made:
            break
        at = source.randrange(len(made))
        end = min(len(made), at + source.randint(1, 32))
        match source.randrange(5):
            case 0:
                made[at] = source.randrange(256)
            case 1:
                made[at] ^= 1 << source.randrange(8)
            case 2:
                del made[at:end]
            case 3:
                made[at:at] = made[at:end]
            case _:
                made[at:end] = source.randbytes(end - at)
    return bytes(made)


@pytest.mark.parametrize("name", TARGETS)
def test_what_it_begins_with_and_what_that_changes_into(name: str) -> None:
    target, seeds = TARGETS[name]
    for seed in seeds:
        target(seed)
    source = random.Random(1)
    for _ in range(INPUTS):
        target(changed(source.choice(seeds), source))
