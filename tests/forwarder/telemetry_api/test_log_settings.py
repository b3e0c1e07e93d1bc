"""What the forwarder asks of the platform, from the environment."""

from __future__ import annotations

import pytest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from serverless_instrument.forwarder.codec import resource
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


def attributes(**environ: str) -> dict[str, object]:
    found = Resource.FromString(resource.encoded(environ)).attributes
    return {a.key: a.value.string_value or a.value.int_value for a in found}


def test_the_functions_resource() -> None:
    assert attributes() == {
        "service.name": "unknown_service:python",
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
    }
    found = attributes(
        AWS_LAMBDA_FUNCTION_NAME="shop",
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128",
        AWS_REGION="eu-central-1",
        OTEL_RESOURCE_ATTRIBUTES="team=a%20b,broken, =x,service.name=from-attributes",
    )
    assert found["service.name"] == "from-attributes"
    assert (found["team"], found["faas.max_memory"]) == ("a b", 128 * 1024 * 1024)
    assert attributes(OTEL_SERVICE_NAME="named")["service.name"] == "named"
