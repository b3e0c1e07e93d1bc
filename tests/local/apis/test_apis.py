"""Runtime and Extensions APIs, called by a real extension and from inside a real invocation."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.local.raw_layer import FUNCTIONS

if TYPE_CHECKING:
    from tests.local.raw_layer import RawLayer

pytestmark = pytest.mark.integration

EXTENSION = "/2020-01-01/extension"
TELEMETRY = "/2022-07-01/telemetry"
IDENTIFIER = "Lambda-Extension-Identifier"
OURS = {IDENTIFIER: "$ID"}
UNKNOWN = {IDENTIFIER: "00000000-0000-4000-8000-000000000000"}


async def invoke_once(config: LocalConfig, event: bytes = b"{}") -> bytes:
    async with LocalLambda(config) as sandbox:
        return (await sandbox.invoke(event)).response


def ask(raw_layer: RawLayer, orders: dict[str, Any]) -> list[Any]:
    """Answers that an extension with these `orders` gets to its script, in order."""
    asyncio.run(invoke_once(raw_layer.config("app.echo", orders)))
    return [entry["answer"] for entry in raw_layer.entries("answer")]


def register(name: str, body: str) -> list[Any]:
    headers = {"Lambda-Extension-Name": name} if name else {}
    return ["POST", f"{EXTENSION}/register", headers, body]


def test_registration(raw_layer: RawLayer) -> None:
    orders = {"register_headers": {"Lambda-Extension-Accept-Feature": "other, accountId"}}
    ask(raw_layer, orders)
    status, headers, document = raw_layer.entries("register")[0]["answer"]
    assert status == 200
    assert len(headers[IDENTIFIER]) == 36
    assert document == {
        "functionName": "local",
        "functionVersion": "$LATEST",
        "handler": "app.echo",
        "accountId": "123456789012",
    }


def test_registration_without_features_has_no_account(raw_layer: RawLayer) -> None:
    ask(raw_layer, {})
    assert "accountId" not in raw_layer.entries("register")[0]["answer"][2]


@pytest.mark.parametrize(
    ("call", "error_type"),
    [
        (register("", '{"events":[]}'), "Extension.InvalidExtensionName"),
        (register("raw", "not json"), "InvalidRequestFormat"),
        (register("raw", '{"events":["BOGUS"]}'), "Extension.InvalidEventType"),
        (
            register("another", '{"events":["SHUTDOWN"]}'),
            "Extension.InvalidEventType",
        ),
        (["GET", f"{EXTENSION}/event/next", {}, None], "Extension.MissingExtensionIdentifier"),
        (
            ["GET", f"{EXTENSION}/event/next", {IDENTIFIER: "x"}, None],
            "Extension.InvalidExtensionIdentifier",
        ),
        (
            ["GET", f"{EXTENSION}/event/next", UNKNOWN, None],
            "Extension.UnknownExtensionIdentifier",
        ),
    ],
)
def test_refusals_before_registration(
    raw_layer: RawLayer, call: list[Any], error_type: str
) -> None:
    ((status, _, document),) = ask(raw_layer, {"before_register": [call]})
    assert (status, document["errorType"]) == (403, error_type)
    assert document["errorMessage"]
    assert raw_layer.entries("register")[0]["answer"][0] == 200


@pytest.mark.parametrize(
    ("call", "status", "error_type"),
    [
        (register("raw", '{"events":[]}'), 403, "Extension.InvalidExtensionState"),
        (["POST", f"{EXTENSION}/init/error", OURS, "{}"], 403, "Extension.MissingHeader"),
        (["POST", f"{EXTENSION}/exit/error", OURS, "{}"], 403, "Extension.MissingHeader"),
        (["PUT", TELEMETRY, {}, "{}"], 403, "Extension.MissingExtensionIdentifier"),
        (["PUT", TELEMETRY, OURS, "{}"], 400, "ValidationError"),
        (["PUT", "/2020-08-15/logs", OURS, "{}"], 202, "Logs.NotSupported"),
    ],
)
def test_refusals_after_registration(
    raw_layer: RawLayer, call: list[Any], status: int, error_type: str
) -> None:
    ((answered, _, document),) = ask(raw_layer, {"script": [call]})
    assert (answered, document["errorType"]) == (status, error_type)


@pytest.mark.parametrize("call", ["init/error", "exit/error"])
def test_extension_that_gives_up_ends_the_environment(raw_layer: RawLayer, call: str) -> None:
    headers = {**OURS, "Lambda-Extension-Function-Error-Type": "Extension.NoConfig"}
    orders = {"script": [["POST", f"{EXTENSION}/{call}", headers, "{}"]]}

    async def scenario() -> tuple[str | None, list[Any]]:
        async with LocalLambda(raw_layer.config("app.echo", orders)) as sandbox:
            result = await sandbox.invoke(b"1")
            await sandbox.settled()
            assert result.error
            return result.error_type, sandbox.telemetry

    error_type, telemetry = asyncio.run(scenario())
    assert error_type == ("Extension.InitError" if call == "init/error" else "Extension.ExitError")
    status, _, document = raw_layer.entries("answer")[0]["answer"]
    assert (status, document) == (202, {"status": "OK"})
    records = [event["record"] for event in telemetry if event["type"] == "platform.extension"]
    assert records[0]["errorType"] == "Extension.NoConfig"


def test_next_answers_with_its_own_identifier(raw_layer: RawLayer) -> None:
    event_headers = {"Lambda-Extension-Identifier": "$ID"}
    orders = {"script": [["GET", f"{EXTENSION}/event/next", event_headers, None]]}
    ((status, headers, event),) = ask(raw_layer, orders)
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    assert len(headers["Lambda-Extension-Event-Identifier"]) == 36
    assert event["eventType"] == "INVOKE"


def test_registration_closes_with_initialization(raw_layer: RawLayer) -> None:
    orders = {
        "on_invoke": [
            register("latecomer", '{"events":[]}'),
            ["PUT", TELEMETRY, OURS, subscription_request()],
        ]
    }
    registered, subscribed = ask_until_settled(raw_layer, orders)
    assert (registered[0], registered[2]["errorType"]) == (403, "Extension.RegistrationClosed")
    assert (subscribed[0], subscribed[2]["errorType"]) == (403, "Telemetry.SubscriptionClosed")


def ask_until_settled(raw_layer: RawLayer, orders: dict[str, Any]) -> list[Any]:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.echo", orders)) as sandbox:
            await sandbox.invoke(b"1")
            await sandbox.settled()

    asyncio.run(scenario())
    return [entry["answer"] for entry in raw_layer.entries("answer")]


def subscription_request() -> str:
    destination = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"}
    request = {"schemaVersion": "2022-12-13", "types": ["platform"], "destination": destination}
    return json.dumps(request)


def test_runtime_api_refusals() -> None:
    runtime = "/2018-06-01/runtime"
    calls = [
        ["POST", f"{runtime}/invocation/other/response", {}, "1"],
        ["POST", f"{runtime}/invocation/other/error", {}, "{}"],
        ["GET", f"{runtime}/invocation/next", {}, None],
        ["POST", f"{runtime}/init/error", {}, "{}"],
        ["GET", f"{runtime}/restore/next", {}, None],
        ["GET", "/2026-01-15/metadata/execution-environment", {}, None],
    ]
    config = LocalConfig("app.call_api", FUNCTIONS, instrumented=False)
    answers = json.loads(asyncio.run(invoke_once(config, json.dumps(calls).encode())))
    assert [status for status, _, _ in answers] == [400, 400, 200, 403, 404, 401]
    documents = [json.loads(body) for _, _, body in answers[:4]]
    assert documents[0] == {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}
    # Asking again in the middle of an invocation brings the same one.
    assert documents[2] == calls
    assert documents[3] == {
        "errorMessage": "State transition from Running to InitError failed for runtime."
        " Error: State transition is not allowed",
        "errorType": "InvalidStateTransition",
    }


def test_metadata_with_the_token() -> None:
    async def scenario() -> Any:
        async with LocalLambda(LocalConfig("app.describe", FUNCTIONS, instrumented=False)) as one:
            described = json.loads((await one.invoke(b"{}")).response)["environment"]
            assert described["AWS_LAMBDA_METADATA_API"] == one.api_address
            bearer = {"Authorization": f"Bearer {described['AWS_LAMBDA_METADATA_TOKEN']}"}
            config = LocalConfig("app.call_api", FUNCTIONS, instrumented=False)
            one.config.handler = config.handler
            await one.shutdown()
            call = ["GET", "/2026-01-15/metadata/execution-environment", bearer, None]
            return json.loads((await one.invoke(json.dumps([call]).encode())).response)

    ((status, headers, body),) = asyncio.run(scenario())
    assert (status, json.loads(body)) == (200, {"AvailabilityZoneID": "use1-az1"})
    assert headers["Cache-Control"] == "private, max-age=43200, immutable"
