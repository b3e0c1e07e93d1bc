"""Handlers that end in unusual ways."""

import sys


def exits(event, context):
    sys.exit(3)


def interrupts(event, context):
    raise KeyboardInterrupt


async def awaits(event, context):
    return "never"


async def yields_later(event, context):
    yield "never"


def yields(event, context):
    yield "never"


def plain(event, context):
    return "fine"
