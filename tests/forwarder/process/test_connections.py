"""Connections without number: descriptors, memory and CPU stay bounded."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.forwarder.running import Runtime, World, eventually, world

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

IDLE_S = 1.5


def check_idle(parts: World) -> None:
    """Next to no CPU over a while; a busy loop would use all of it."""
    before_s = parts.forwarder.cpu_s()
    time.sleep(IDLE_S)  # the while itself is what is measured
    assert parts.forwarder.cpu_s() - before_s < 0.1 * IDLE_S


def test_idle_it_uses_no_cpu(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.invoke("span")
        parts.forwarder.connect_silently(b"SI")
        check_idle(parts)


def test_descriptors_and_memory_stay_bounded_over_many_connections(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.invoke("span")
        before = parts.forwarder.descriptors()
        for _ in range(300):
            parts.forwarder.connect().die()
        eventually(lambda: parts.forwarder.descriptors() == before, "descriptors are closed")
        parts.invoke("span")
        assert parts.forwarder.peak_kib() <= 14 * 1024


def test_descriptors_of_the_backend_stay_bounded_over_many_failures(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = lambda _: None
        parts.invoke("first")
        before = parts.forwarder.descriptors()
        for number in range(30):
            parts.invoke(f"span {number}")
            time.sleep(0.02)  # so that the breaker closes now and then
        assert parts.forwarder.descriptors() <= before + 1


def test_more_connections_than_there_are_descriptors_for(tmp_path: Path) -> None:
    with world(tmp_path, nofile=24) as parts:
        crowd = [parts.forwarder.connect() for _ in range(40)]
        line = parts.forwarder.wait_for_line("cannot accept")
        assert line.endswith("cannot accept a connection: Too many open files")
        check_idle(parts)
        parts.api.invoke("a")
        for runtime in crowd:
            runtime.die()
        parts.runtime.die()
        parts.api.wait_for_next(2)
        # Those who still waited are let in first, and it may be a while until then.
        parts.runtime = parts.forwarder.connect()
        parts.invoke("after")
        parts.backend.wait_for(1)
        assert parts.backend.names() == ["after"]
        eventually(lambda: parts.forwarder.descriptors() < 15, "the crowd is gone")
        assert parts.forwarder.lines().count(line) == 1


def test_more_connections_than_a_function_can_need_are_refused(tmp_path: Path) -> None:
    with world(tmp_path) as parts, contextlib.ExitStack() as stack:
        crowd = [Runtime(parts.forwarder.socket_path) for _ in range(520)]
        for runtime in crowd:
            stack.callback(runtime.die)
        assert crowd[-1].ended_by_the_forwarder()
        parts.invoke("undisturbed")
        assert parts.backend.names() == ["undisturbed"]
        (line,) = parts.forwarder.lines()
        assert "more than 512 connections" in line
