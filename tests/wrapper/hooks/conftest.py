from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.recording_server import RecordingServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as serving:
        yield serving
