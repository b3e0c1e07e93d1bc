"""A function that instruments its libraries itself: one span, no warning, its own options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.wrapper.hooks.test_http_clients import GET, HANDLER, only_span
from tests.wrapper.program import children, run

if TYPE_CHECKING:
    from tests.servers.recording_server import RecordingServer

INSTRUMENTORS = {
    "urllib": ("urllib", "URLLibInstrumentor"),
    "urllib3": ("urllib3", "URLLib3Instrumentor"),
    "requests": ("requests", "RequestsInstrumentor"),
    "httpx": ("httpx", "HTTPXClientInstrumentor"),
    "aiohttp": ("aiohttp_client", "AioHttpClientInstrumentor"),
}
OWN = """
    from opentelemetry.instrumentation.{0} import {1}
    def note(span, *rest):
        span.set_attribute("noted", True)
    {1}().instrument(request_hook=note)
"""
each = pytest.mark.parametrize("client", INSTRUMENTORS)


@pytest.mark.variants(5)
@each
@pytest.mark.parametrize("order", ["before", "after", "after a call"])
def test_the_functions_own_instrument_call(
    client: str, order: str, server: RecordingServer
) -> None:
    own = OWN.format(*INSTRUMENTORS[client])
    parts = {
        "before": (own, GET[client], HANDLER),
        "after": (GET[client], own, HANDLER),
        "after a call": (GET[client], f"get({server.url + '/status/200'!r})", own, HANDLER),
    }[order]
    outcome = run(parts, [f"{server.url}/status/200"], OTEL_SEMCONV_STABILITY_OPT_IN="http")
    (invocation,) = outcome.invocations
    assert children(outcome, invocation) == ["GET"]
    assert outcome.spans[-1].attributes["noted"] is True
    assert len(outcome.spans) == (2 if order == "after a call" else 1)
    assert outcome.spans[-1].span.span_id.hex() in server.requests[-1].headers["traceparent"]


@each
def test_switching_it_off_and_on_again(client: str, server: RecordingServer) -> None:
    own = OWN.format(*INSTRUMENTORS[client])
    source = f"""
        def handler(event, context):
            instrumentor = {INSTRUMENTORS[client][1]}()
            instrumentor.uninstrument()
            get(event)
            instrumentor.instrument()
            return get(event)
    """
    outcome = run((GET[client], own, source), [f"{server.url}/status/200"])
    assert outcome.result == 200
    names = [sent.scope.rpartition(".")[2] for sent in outcome.spans]
    # requests uses urllib3, which makes the span while requests is not instrumented.
    expected = ["urllib3"] if client == "requests" else []
    assert names == [*expected, INSTRUMENTORS[client][0]]


@pytest.mark.parametrize("client", ["urllib", "urllib3"])
def test_something_else_that_wraps_the_first_call(client: str, server: RecordingServer) -> None:
    wrap = """
        owner = {"urllib": "urllib.request.OpenerDirector",
                 "urllib3": "urllib3.connectionpool.HTTPConnectionPool"}[CLIENT]
        module_name, _, class_name = owner.rpartition(".")
        import importlib
        owner = getattr(importlib.import_module(module_name), class_name)
        name = {"urllib": "open", "urllib3": "urlopen"}[CLIENT]
        original = getattr(owner, name)
        calls = []
        def wrapping(self, *arguments, **options):
            calls.append(1)
            return original(self, *arguments, **options)
        setattr(owner, name, wrapping)
        def handler(event, context):
            get(event)
            get(event)
            return len(calls)
    """
    outcome = run((f"CLIENT = {client!r}", GET[client], wrap), [f"{server.url}/status/200"] * 2)
    # Each call is made once; a wrapper around ours keeps ours from loading.
    assert outcome.results == [2, 4]
    assert len(server.requests) == 4


def test_two_threads_make_the_first_call_at_once(server: RecordingServer) -> None:
    source = """
        from concurrent.futures import ThreadPoolExecutor
        def handler(event, context):
            with ThreadPoolExecutor(8) as executor:
                return list(executor.map(get, [event] * 16))
    """
    outcome = run((GET["urllib3"], source), [f"{server.url}/status/200"])
    assert outcome.result == [200] * 16
    assert 1 <= len(outcome.spans) <= 16


def test_suppressed_calls_start_nothing(server: RecordingServer) -> None:
    source = """
        import sys
        from opentelemetry.instrumentation.utils import suppress_http_instrumentation
        def handler(event, context):
            with suppress_http_instrumentation():
                get(event)
            name = "opentelemetry.instrumentation.urllib3"
            before = name in sys.modules
            get(event)
            return before, name in sys.modules
    """
    outcome = run((GET["urllib3"], source), [f"{server.url}/status/200"])
    assert outcome.result == [False, True]
    only_span(outcome)


BROKEN = """
    import importlib.abc, importlib.machinery, sys
    class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path=None, target=None):
            if name == "opentelemetry.instrumentation.NAME":
                return importlib.machinery.ModuleSpec(name, self)
        def create_module(self, spec):
            return None
        def exec_module(self, module):
            raise RuntimeError("does not fit")
    sys.meta_path.insert(1, Broken())
"""


@pytest.mark.parametrize("client", ["requests", "urllib"])
def test_an_instrumentation_that_does_not_fit_is_said_in_one_line(
    client: str, server: RecordingServer
) -> None:
    said = {"requests": "requests", "urllib": "urllib.request"}[client]
    outcome = run(
        (BROKEN.replace("NAME", client), GET[client], HANDLER),
        [f"{server.url}/status/200"] * 2,
        log=None,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="urllib3",
    )
    assert (outcome.results, outcome.spans) == ([200, 200], [])
    assert len(outcome.invocations) == 2
    (line,) = outcome.log
    # A remedy follows where opentelemetry is the function's own: not in a checkout's own .venv.
    assert line.startswith(
        f"serverless-instrument: {said} is not instrumented: RuntimeError: does not fit"
    )


def test_the_garbage_collector_is_left_as_it_was() -> None:
    source = """
        import gc
        {0}
        import requests
        def handler(event, context):
            return gc.isenabled()
    """
    for switch, enabled in (("pass", True), ("gc.disable()", False)):
        assert run(source.format(switch)).result is enabled
