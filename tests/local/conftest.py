"""Fixtures of the local Lambda's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local.raw_layer import RawLayer, make_raw_layer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def raw_layer(tmp_path: Path) -> RawLayer:
    """A layer with the raw extension in it."""
    return make_raw_layer(tmp_path)
