from __future__ import annotations

import pytest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from serverless_instrument import __version__, resource
from serverless_instrument.forwarder.codec import resource as forwarder_resource
from serverless_instrument.wrapper.records import encoder

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "shop",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef",
    "AWS_REGION": "eu-central-1",
}
OWN = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "serverless_instrument",
    "telemetry.sdk.version": __version__,
    "cloud.provider": "aws",
    "cloud.platform": "aws_lambda",
}


def attributes(environ: dict[str, str]) -> dict[str, object]:
    warnings: list[str] = []
    found = resource.attributes(environ, warnings)
    assert warnings == []
    return found


def test_on_lambda() -> None:
    assert attributes(LAMBDA) == {
        **OWN,
        "service.name": "shop",
        "cloud.region": "eu-central-1",
        "faas.name": "shop",
        "faas.version": "$LATEST",
        "faas.instance": "2026/01/01/[$LATEST]0123456789abcdef",
        "faas.max_memory": 536_870_912,
        "aws.log.group.names": ["/aws/lambda/shop"],
        "aws.log.stream.names": ["2026/01/01/[$LATEST]0123456789abcdef"],
    }


def test_elsewhere() -> None:
    assert attributes({}) == {**OWN, "service.name": "unknown_service:python"}
    assert attributes({"AWS_DEFAULT_REGION": "us-east-1"})["cloud.region"] == "us-east-1"


@pytest.mark.parametrize("size", ["", "0", "-1", "1.5", "lots", "²"])
def test_a_memory_size_that_is_no_number_is_left_out(size: str) -> None:
    assert "faas.max_memory" not in attributes({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": size})


@pytest.mark.parametrize(
    ("service_name", "resource_attributes", "expected"),
    [
        ("", "", "shop"),
        (" ", "", "shop"),
        ("mine", "", "mine"),
        ("", "service.name=theirs", "theirs"),
        ("mine", "service.name=theirs", "mine"),
    ],
)
def test_the_service_name(service_name: str, resource_attributes: str, expected: str) -> None:
    environ = {"OTEL_SERVICE_NAME": service_name, "OTEL_RESOURCE_ATTRIBUTES": resource_attributes}
    assert attributes(LAMBDA | environ)["service.name"] == expected


def test_resource_attributes_are_percent_decoded_and_win_over_detected_ones() -> None:
    text = " team = a%2Cb%3D%C3%A9 ,faas.version=7,,empty=,k%20y=v=w"
    found = attributes(LAMBDA | {"OTEL_RESOURCE_ATTRIBUTES": text})
    assert found["team"] == "a,b=é"
    assert found["faas.version"] == "7"
    assert found["empty"] == ""
    assert found["k y"] == "v=w"


def test_a_member_that_is_no_pair_is_named_and_costs_no_other() -> None:
    warnings: list[str] = []
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "a=1, nonsense ,=2,b=3"}
    found = resource.attributes(environ, warnings)
    assert (found["a"], found["b"]) == ("1", "3")
    assert "" not in found
    assert warnings == [
        'OTEL_RESOURCE_ATTRIBUTES: "nonsense" is not key=value; it is left out',
        'OTEL_RESOURCE_ATTRIBUTES: "=2" is not key=value; it is left out',
    ]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        LAMBDA,
        LAMBDA | {"OTEL_RESOURCE_ATTRIBUTES": "team=a%2Cb%C3%A9,empty=,nonsense,faas.version=7"},
        LAMBDA | {"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs"},
    ],
)
def test_both_processes_send_the_same_resource(environ: dict[str, str]) -> None:
    of_runtime = Resource.FromString(encoder.resource(resource.attributes(environ, [])))
    of_forwarder = Resource.FromString(forwarder_resource.encoded(environ))
    assert of_forwarder == of_runtime
    assert len(of_runtime.attributes) >= 6
