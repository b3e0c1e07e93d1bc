"""What the forwarder asks of the platform, from the environment."""

from __future__ import annotations

import pytest

from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings


@pytest.mark.parametrize(
    ("environ", "has_destination", "types"),
    [
        ({}, True, ("platform", "function")),
        ({}, False, ("platform",)),
        ({"SERVERLESS_INSTRUMENT_LOGS": "off"}, True, ("platform",)),
        (
            {"SERVERLESS_INSTRUMENT_EXTENSION_LOGS": "True"},
            True,
            ("platform", "function", "extension"),
        ),
        ({"SERVERLESS_INSTRUMENT_EXTENSION_LOGS": "true"}, False, ("platform",)),
    ],
)
def test_types(environ: dict[str, str], has_destination: bool, types: tuple[str, ...]) -> None:
    settings = LogSettings(environ, has_destination=has_destination)
    assert (settings.types, settings.warnings) == (types, [])


def test_a_switch_that_is_neither_is_named_and_off() -> None:
    settings = LogSettings({"SERVERLESS_INSTRUMENT_DEV_MODE": "maybe"}, has_destination=True)
    assert not settings.dev_mode
    (warning,) = settings.warnings
    assert warning == (
        'SERVERLESS_INSTRUMENT_DEV_MODE="maybe" is neither true nor false, using false: '
        "set it to one of them"
    )


def test_managed_instances_run_invocations_side_by_side() -> None:
    environ = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}
    assert LogSettings(environ, has_destination=True).concurrent
