"""``opentelemetry.propagate`` is executed without its setting; the environment stays as it is."""

from __future__ import annotations

import importlib.util
import os

import pytest

from serverless_instrument.wrapper.import_hooks.propagators_unread import (
    execute_without_propagators,
)


def test_the_module_does_not_see_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", "of_no_package")
    spec = importlib.util.find_spec("opentelemetry.propagate")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.raises(ValueError, match="of_no_package"):
        spec.loader.exec_module(module)
    execute_without_propagators(module, spec.loader.exec_module)
    assert module.get_global_textmap().fields >= {"traceparent"}
    assert module.environ is os.environ
    assert os.environ["OTEL_PROPAGATORS"] == "of_no_package"


def test_other_bytecode_is_executed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("some", None))  # type: ignore[arg-type] # a spec
    executed: list[object] = []
    monkeypatch.setenv("OTEL_PROPAGATORS", "of_no_package")
    execute_without_propagators(module, executed.append)
    assert executed == [module]
