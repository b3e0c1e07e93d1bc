"""What the function sets as ``traceparent`` stays; what was injected before does not."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from serverless_instrument.wrapper.hooks.given_headers import keep_given_headers


@pytest.fixture
def instrumentation() -> Any:
    module: Any = ModuleType("instrumentation")
    numbers = iter(range(1000))

    def inject(carrier: dict[str, str]) -> None:
        carrier["traceparent"] = f"injected {next(numbers)}"

    module.inject = inject
    keep_given_headers(module)
    keep_given_headers(module)
    return module


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_a_given_header_stays(instrumentation: Any, name: str) -> None:
    headers = {"accept": "*", name: "mine"}
    instrumentation.inject(headers)
    assert headers == {"accept": "*", name: "mine"}


def test_a_request_that_is_sent_again_gets_the_new_span(instrumentation: Any) -> None:
    headers: dict[str, str] = {}
    instrumentation.inject(headers)
    instrumentation.inject(headers)
    assert headers == {"traceparent": "injected 1"}


def test_an_instrumentation_without_headers_is_left_alone() -> None:
    module = ModuleType("instrumentation")
    keep_given_headers(module)
    assert not hasattr(module, "inject")
