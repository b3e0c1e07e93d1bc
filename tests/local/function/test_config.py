"""The environment that a local function and its extensions get."""

from __future__ import annotations

from pathlib import Path

import pytest

from serverless_instrument.local.function.config import (
    LocalConfig,
    PlatformValues,
    extension_environment,
    function_arn,
    function_name,
    runtime_environment,
)

PLACE = PlatformValues(
    api_address="127.0.0.1:9001",
    opt=Path("/scratch/opt"),
    socket_path="/scratch/socket",
    log_stream="2025/01/01/[$LATEST]0123",
    metadata_token="secret",
)


def environment_of(
    config: LocalConfig, base_env: dict[str, str], wrapper: str | None = "/scratch/opt/wrapper"
) -> dict[str, str]:
    return runtime_environment(
        config,
        PLACE,
        base_env,
        runtime_directory="/package/runtime",
        exec_wrapper=wrapper,
        python_version="3.12",
    )


def config(**more: object) -> LocalConfig:
    return LocalConfig("app.handler", Path("/code/shop"), **more)  # type: ignore[arg-type] # any


def test_lambdas_own_variables() -> None:
    environment = environment_of(config(memory_mb=512), {})
    assert environment["_HANDLER"] == "app.handler"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "shop"
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/shop"
    assert environment["AWS_LAMBDA_LOG_STREAM_NAME"] == "2025/01/01/[$LATEST]0123"
    assert environment["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert environment["AWS_LAMBDA_EXEC_WRAPPER"] == "/scratch/opt/wrapper"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12"
    assert environment["LAMBDA_TASK_ROOT"] == "/code/shop"
    assert environment["SERVERLESS_INSTRUMENT_SOCKET"] == "/scratch/socket"


def test_the_developers_variables_are_below_lambdas_and_the_given_ones_above() -> None:
    base = {"HOME": "/home/me", "TZ": "Europe/Berlin", "LEVEL": "base"}
    environment = environment_of(config(env={"LEVEL": "given", "_X": "y"}), base)
    assert environment["HOME"] == "/home/me"
    assert environment["TZ"] == ":UTC"
    assert environment["LEVEL"] == "given"
    assert environment["_X"] == "y"


@pytest.mark.parametrize(
    "name",
    [
        "_",
        "PYTHONPATH",
        "PYTHONHOME",
        "AWS_LAMBDA_EXEC_WRAPPER",
        "AWS_LAMBDA_LOG_FORMAT",
        "SERVERLESS_INSTRUMENT_HANDLER",
    ],
)
def test_what_would_mislead_the_function_is_not_inherited(name: str) -> None:
    assert name not in environment_of(config(), {name: "from the shell"}, wrapper=None)
    assert environment_of(config(env={name: "given"}), {}, wrapper=None)[name] == "given"


def test_extensions_do_not_get_what_is_the_runtimes_own() -> None:
    environment = environment_of(config(env={"_SECRET": "1", "MINE": "2"}), {})
    seen = extension_environment(environment | {"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR"})
    assert set(environment) - set(seen) == {
        "_HANDLER",
        "_SECRET",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
    assert "AWS_XRAY_CONTEXT_MISSING" not in seen


@pytest.mark.parametrize(
    ("directory", "env", "name"),
    [
        ("/code/shop", {}, "shop"),
        ("/code/my shop (v2)", {}, "my-shop-v2-"),
        ("/", {}, "function"),
        ("/code/" + "x" * 90, {}, "x" * 64),
        ("/code/shop", {"AWS_LAMBDA_FUNCTION_NAME": "checkout"}, "checkout"),
    ],
)
def test_function_name(directory: str, env: dict[str, str], name: str) -> None:
    assert function_name(LocalConfig("app.handler", Path(directory), env)) == name


@pytest.mark.parametrize(
    ("env", "base", "region"),
    [
        ({}, {}, "us-east-1"),
        ({}, {"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "eu-north-1"}, {"AWS_REGION": "eu-west-3"}, "eu-north-1"),
    ],
)
def test_region_in_the_arn(env: dict[str, str], base: dict[str, str], region: str) -> None:
    arn = function_arn(config(env=env), base)
    assert arn == f"arn:aws:lambda:{region}:123456789012:function:shop"
