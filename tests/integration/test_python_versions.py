"""The layer under the other Pythons that this machine has."""

from __future__ import annotations

import json
import sys

import pytest

from tests.integration.emulator import FUNCTIONS, WRAPPER, Emulators, invoke, spans
from tests.integration.events import event
from tests.integration.interpreters import with_runtime_client
from tests.integration.scenario import Environment
from tests.integration.test_error_documents import comparable

pytestmark = pytest.mark.integration

OTHERS = [
    version
    for version in ("3.10", "3.11", "3.12", "3.13", "3.14")
    if version != f"{sys.version_info[0]}.{sys.version_info[1]}"
]


@pytest.mark.parametrize("version", OTHERS)
def test_layer_works_under_another_python(emulators: Emulators, version: str) -> None:
    python = {"SERVERLESS_INSTRUMENT_LOCAL_PYTHON": with_runtime_client(version)}
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER}
    web, failing = str(FUNCTIONS / "web"), str(FUNCTIONS / "failing")
    request, nothing = (invoke(event("http_api_v2")),) * 2, (invoke({}),)
    full, empty = str(emulators.layer.full), str(emulators.layer.empty)
    served, raised, bare, uncallable, bare_uncallable = emulators.run(
        Environment("app.handler", web, full, request, {**python, **wrapper}),
        Environment("app.raises_with_cause", failing, full, nothing, {**python, **wrapper}),
        Environment("app.raises_with_cause", failing, empty, nothing, python),
        Environment("app.takes_nothing", failing, full, nothing, {**python, **wrapper}),
        Environment("app.takes_nothing", failing, empty, nothing, python),
    )
    names = [span.name for _, _, span in spans(served.exports)]
    assert names == ["GET /items/{id}", "GET /items/{id}"]
    seen = json.loads(json.loads(served.answers[0].body)["body"])
    assert seen["handler"] == "app.handler"
    assert seen["python"] == version
    assert (served.stderr, served.forwarder_exits) == ("", (0,))
    for ours, without in ((raised, bare), (uncallable, bare_uncallable)):
        assert comparable(ours.answers[0].body) == comparable(without.answers[0].body)
        assert comparable(ours.stdout) == comparable(without.stdout)
        assert len(spans(ours.exports)) == 1
