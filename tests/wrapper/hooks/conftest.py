from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.wrapper.hooks.echo import Echo

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as echo:
        yield echo
