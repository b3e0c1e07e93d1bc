from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.wrapper import own_descriptor
from serverless_instrument.wrapper.records import encoder
from tests.wrapper.peer import Peer
from tests.wrapper.runtime import Function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """About as much as Lambda's kernel gives; others hold megabytes, and nothing ever waits."""
    monkeypatch.setattr(own_descriptor, "_SEND_BUFFER_BYTES", 64 * 1024)


@pytest.fixture
def socket_path() -> Iterator[str]:
    """A path short enough for a unix socket, which tmp_path is not always."""
    with tempfile.TemporaryDirectory(prefix="si-", dir="/tmp") as directory:
        yield f"{directory}/s"


@pytest.fixture
def peer(socket_path: str) -> Iterator[Peer]:
    with Peer(socket_path) as made:
        yield made


@pytest.fixture
def function(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, socket_path: str
) -> Iterator[Function]:
    with monkeypatch.context() as patched:
        made = Function(patched, tmp_path, socket_path)
        yield made
        made.close()


@pytest.fixture
def hiding() -> Iterator[None]:
    """The encoder as it is where a mask is set."""
    encoder.hide_what_is_cut(True)
    yield
    encoder.hide_what_is_cut(False)
