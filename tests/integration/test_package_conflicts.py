"""Packages of the function's own beside the layer's: traced, or one line that says why not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.local_function import Run, run
from tests.integration.own_packages import function_with
from tests.servers.recording_server import RecordingServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

OPENTELEMETRY = {
    "oldest": ("opentelemetry-api==1.25.0", "opentelemetry-sdk==1.25.0"),
    "middle": ("opentelemetry-api==1.32.0", "opentelemetry-sdk==1.32.0"),
    "newest": ("opentelemetry-api", "opentelemetry-sdk"),
}
API = {"oldest": "opentelemetry-api==1.25.0", "middle": "opentelemetry-api==1.32.0"}
OTHERS = {
    "wrapt 1.14": ("wrapt==1.14.1",),
    "wrapt 1.17": ("wrapt==1.17.3",),
    "wrapt 2": ("wrapt>=2,<3",),
    "typing_extensions 4.5": ("typing_extensions==4.5.0",),
    "botocore with urllib3 1.26": ("boto3==1.28.0", "urllib3==1.26.20"),
    "botocore with urllib3 2": ("boto3==1.34.60", "urllib3==2.0.7"),
    "packaging 21": ("packaging==21.3",),
}
TOO_OLD = ("opentelemetry-api==1.20.0", "opentelemetry-sdk==1.20.0")
CALLS = {"call": "GET", "call_with_requests": "GET", "call_aws": "SQS.ListQueues"}


class Function:
    """The function with some packages of its own."""

    def __init__(self, layer: Path, python: str, endpoint: str, scratch: Path, url: str) -> None:
        self._layer, self._python, self._endpoint = layer, python, endpoint
        self._scratch, self._url = scratch, url

    def of(self, *requirements: str) -> Path:
        """A fresh directory with the function and its packages."""
        return function_with(self._python, self._scratch / "task", *requirements)

    def __call__(self, task: Path, *deeds: str, bare: bool = False, **environ: str) -> Run:
        """The outcome of one invocation for each of `deeds`, in one environment."""
        return run(
            "app.handler",
            task,
            *({"do": deed, "url": self._url} for deed in deeds),
            layer=None if bare else self._layer,
            python=self._python,
            environ={
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_ENDPOINT_URL": self._endpoint,
                **environ,
            },
        )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with RecordingServer() as server:
        yield server.url


@pytest.fixture
def function(
    layer_zip: Path, clients_python: str, aws_endpoint: str, tmp_path: Path, url: str
) -> Function:
    return Function(layer_zip, clients_python, aws_endpoint, tmp_path, url)


def traced(outcome: Run, *names: str) -> None:
    """Every invocation did what it should, and has one child of that name."""
    assert outcome.answers == ("done",) * len(names)
    assert outcome.ours == []
    invocations, children = outcome.invocations(), outcome.children()
    assert [span.name for span in children] == list(names)
    for invocation, child in zip(invocations, children, strict=True):
        assert child.is_child_of(invocation)


@pytest.mark.variants(3)
@pytest.mark.parametrize("release", OPENTELEMETRY)
@pytest.mark.parametrize("deed", ["use_api", "use_sdk", "set_provider"])
def test_spans_of_the_functions_own_opentelemetry(
    function: Function, release: str, deed: str
) -> None:
    task = function.of(*OPENTELEMETRY[release])
    traced(function(task, deed, deed if deed != "set_provider" else "use_api"), "price", "price")


@pytest.mark.variants(1)
@pytest.mark.parametrize("release", OPENTELEMETRY)
def test_clients_with_the_functions_own_opentelemetry(function: Function, release: str) -> None:
    task = function.of(*OPENTELEMETRY[release])
    traced(function(task, *CALLS, "use_sdk"), *CALLS.values(), "price")
    # And the other way round: the function's own modules are there first.
    traced(function(task, "use_sdk", *CALLS), "price", *CALLS.values())


@pytest.mark.variants(1)
@pytest.mark.parametrize("release", API)
def test_api_alone(function: Function, release: str) -> None:
    task = function.of(API[release])
    traced(function(task, "use_api", *CALLS), "price", *CALLS.values())


@pytest.mark.variants(1)
@pytest.mark.parametrize("release", API)
def test_sdk_of_the_layer_is_not_put_on_an_api_of_another_release(
    function: Function, release: str
) -> None:
    task = function.of(API[release])
    outcome = function(task, "try_sdk", "use_api", "use_sdk")
    assert outcome.answers[:2] == ("done without", "done")
    version = API[release].partition("==")[2]
    refusal: dict[str, Any] = outcome.answers[2]
    assert refusal["errorType"] == "ModuleNotFoundError"  # as it is without the layer
    assert f"opentelemetry-api {version} of the function" in refusal["errorMessage"]
    assert f"install opentelemetry-sdk {version}" in refusal["errorMessage"]
    assert len(outcome.invocations()) == 3
    (span,) = outcome.children()
    assert span.name == "price"


def test_setting_that_needs_the_sdk_where_there_is_none_that_fits(function: Function) -> None:
    task = function.of(API["middle"])
    outcome = function(task, "use_api", OTEL_TRACES_SAMPLER="xray")
    assert outcome.answers == ("done",)
    (line,) = outcome.ours
    assert "opentelemetry-api 1.32.0 of the function" in line
    assert len(outcome.invocations()) == 1


def test_too_old_is_one_line_and_the_invocation_is_traced(function: Function) -> None:
    task = function.of(*TOO_OLD)
    for deeds in (("use_sdk", *CALLS), (*CALLS, "use_sdk"), ("set_provider",)):
        outcome = function(task, *deeds)
        assert outcome.answers == ("done",) * len(deeds)
        (line,) = outcome.ours
        assert line == (
            "serverless-instrument: OpenTelemetry in the function is not used: opentelemetry-api "
            "1.20.0 is older than 1.25; update it, or remove it from the function to use the "
            "layer's"
        )
        assert len(outcome.invocations()) == len(deeds)
        assert outcome.children() == []


@pytest.mark.full
def test_sdk_without_its_conventions(function: Function) -> None:
    task = function.of(*OPENTELEMETRY["newest"])
    shutil.rmtree(task / "opentelemetry" / "semconv")
    traced(function(task, "use_sdk", *CALLS), "price", *CALLS.values())


@pytest.mark.full
def test_sdk_without_its_api(function: Function) -> None:
    task = function.of(*OPENTELEMETRY["middle"])
    for name in ("trace", "context", "version"):
        shutil.rmtree(task / "opentelemetry" / name)
    outcome = function(task, "use_nothing", "try_sdk", *CALLS)
    assert outcome.answers[0] == "done"
    assert outcome.answers[1] in ("done", "done without")
    assert outcome.answers[2:] == ("done",) * 3
    assert len(outcome.invocations()) == 5
    assert len(outcome.ours) <= 1


@pytest.mark.parametrize("name", ["opentelemetry.py", "opentelemetry/__init__.py"])
def test_something_else_of_that_name(function: Function, name: str) -> None:
    task = function.of()
    (task / name).parent.mkdir(exist_ok=True)
    (task / name).write_text("VALUE = 42\n")
    outcome = function(task, "use_own_module", *CALLS)
    assert outcome.answers == (42, "done", "done", "done")
    assert len(outcome.invocations()) == 4
    (line,) = outcome.ours
    assert str(task / name) in line
    assert outcome.children() == []


def test_broken_opentelemetry(function: Function) -> None:
    task = function.of(*OPENTELEMETRY["middle"])
    (task / "opentelemetry" / "trace" / "__init__.py").write_text("raise RuntimeError('broken')\n")
    outcome = function(task, *CALLS)
    assert outcome.answers == ("done",) * 3
    assert len(outcome.invocations()) == 3
    (line,) = outcome.ours
    assert "RuntimeError: broken" in line


@pytest.mark.variants(1)
@pytest.mark.parametrize("name", OTHERS)
def test_other_packages(function: Function, name: str) -> None:
    task = function.of(*OTHERS[name])
    traced(function(task, *CALLS, "use_api"), *CALLS.values(), "price")


def test_typing_extensions_that_opentelemetry_cannot_use(function: Function) -> None:
    """The layer's bytecode does not need it."""
    task = function.of("typing_extensions==3.10.0.2")
    traced(function(task, *CALLS), *CALLS.values())


@pytest.mark.full
def test_instrumentation_of_the_functions_own(function: Function) -> None:
    task = function.of("opentelemetry-instrumentation-requests==0.46b0", *OPENTELEMETRY["oldest"])
    outcome = function(task, "call_with_requests", "call_aws", "use_sdk")
    assert outcome.answers == ("done",) * 3
    assert len(outcome.invocations()) == 3
    names = [span.name for span in outcome.children()]
    assert names[0] == "GET"
    assert names[-1] == "price"
    assert len(outcome.ours) <= 1
