"""What a function sees of its process, with the layer and without; wrappers before and after."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.emulator import FUNCTIONS, WRAPPER, Emulators, invoke, spans
from tests.integration.scenario import ABSENT, RECORDING, Environment, Outcome

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

# Different in every environment, whoever runs in it.
PRIVATE = (
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "HOME",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "TEST_SCRATCH",
)
# What we vendor comes last, so that it is found under names that nobody else provides.
VENDOR = "/opt/python/serverless_instrument/vendor"


def environment(
    opt: Path, *, handler: str = "app.look", wrapper: str = WRAPPER, **environ: str
) -> Environment:
    return Environment(
        handler,
        str(FUNCTIONS / "probe"),
        str(opt),
        (invoke({"q": "tea"}), invoke({"q": "pot"})),
        {**({"AWS_LAMBDA_EXEC_WRAPPER": wrapper} if wrapper else {}), **environ},
        RECORDING if wrapper else ABSENT,
    )


def seen(outcome: Outcome) -> Any:
    """What the function returned for its second event."""
    return json.loads(outcome.answers[1].body)


@pytest.fixture(scope="module")
def views(emulators: Emulators) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the function sees, bare and instrumented, the same layer being at /opt."""
    opt = emulators.layer.full
    bare, instrumented = emulators.run(environment(opt, wrapper=""), environment(opt))
    assert len(spans(instrumented.exports)) == 2
    return seen(bare), seen(instrumented)


def test_environment_variables_are_the_functions_own(
    views: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    bare, instrumented = (view["environ"] for view in views)
    assert instrumented.pop("AWS_LAMBDA_EXEC_WRAPPER") == WRAPPER
    for name in PRIVATE:
        bare.pop(name, None)
        instrumented.pop(name, None)
    assert instrumented == bare
    assert bare["_HANDLER"] == "app.look"
    assert views[1]["handler_at_import"] == "app.look"


def test_import_path_is_the_functions_own(views: tuple[dict[str, Any], dict[str, Any]]) -> None:
    bare, instrumented = views
    assert instrumented["path"] == [*bare["path"], VENDOR]
    assert instrumented["path"][0] == str(FUNCTIONS / "probe")


def test_process_is_the_functions_own(views: tuple[dict[str, Any], dict[str, Any]]) -> None:
    differ = {
        key: (bare, views[1][key])
        for key, bare in views[0].items()
        if key not in ("environ", "modules", "path") and views[1][key] != bare
    }
    assert differ == {}


def test_only_modules_of_ours_come_on_top(views: tuple[dict[str, Any], dict[str, Any]]) -> None:
    bare, instrumented = (set(view["modules"]) for view in views)
    assert bare < instrumented
    others = {
        name for name in instrumented - bare if name.partition(".")[0] != "serverless_instrument"
    }
    # Modules of the interpreter's in C; the last one spares the first call its loading.
    assert others <= {"_socket", "_struct", "struct", "_contextvars"}


def test_package_comes_from_the_read_only_layer(emulators: Emulators) -> None:
    opt = emulators.layer.full
    write, where = emulators.run(
        environment(opt, handler="app.write_to_opt"),
        environment(opt, handler="app.where_is_our_package"),
    )
    assert seen(write) == "EROFS"
    assert seen(where) == "/opt/python/serverless_instrument/__init__.py"
    assert len(spans(write.exports)) == len(spans(where.exports)) == 2


def test_pythonpath_of_the_function_is_kept_and_extended(emulators: Emulators) -> None:
    opt = emulators.layer.full
    more = str(FUNCTIONS / "probe" / "more")
    word, look, bare = emulators.run(
        environment(opt, handler="app.use_own_path", PYTHONPATH=more),
        environment(opt, PYTHONPATH=more),
        environment(opt, wrapper="", PYTHONPATH=more),
    )
    assert seen(word) == "from PYTHONPATH"
    assert len(spans(word.exports)) == 2
    assert seen(look)["environ"]["PYTHONPATH"] == more  # which child processes inherit
    path = [entry for entry in seen(look)["path"] if entry != "/opt/python"]
    assert path == [*seen(bare)["path"], VENDOR]


def test_handler_in_a_directory(emulators: Emulators) -> None:
    (outcome,) = emulators.run(environment(emulators.layer.full, handler="dir/seen.handler"))
    assert seen(outcome)["environ"]["_HANDLER"] == "dir/seen.handler"
    assert len(spans(outcome.exports)) == 2


def write_script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_wrapper_of_the_function_before_ours(emulators: Emulators, tmp_path: Path) -> None:
    other = write_script(tmp_path / "other", f'export COLOUR="dark red"\nexec {WRAPPER} "$@"')
    (outcome,) = emulators.run(environment(emulators.layer.full, wrapper=other))
    assert seen(outcome)["environ"]["COLOUR"] == "dark red"
    assert seen(outcome)["environ"]["_HANDLER"] == "app.look"
    assert len(spans(outcome.exports)) == 2


def test_wrapper_of_the_function_after_ours(emulators: Emulators, tmp_path: Path) -> None:
    other = write_script(tmp_path / "next one", 'export COLOUR="dark red"\nexec "$@"')
    (outcome,) = emulators.run(
        environment(emulators.layer.full, SERVERLESS_INSTRUMENT_NEXT_WRAPPER=other)
    )
    assert seen(outcome)["environ"]["COLOUR"] == "dark red"
    assert seen(outcome)["environ"]["_HANDLER"] == "app.look"
    assert len(spans(outcome.exports)) == 2
    assert outcome.stderr == ""


def test_wrapper_after_ours_that_is_missing_is_one_warning(emulators: Emulators) -> None:
    (outcome,) = emulators.run(
        environment(emulators.layer.full, SERVERLESS_INSTRUMENT_NEXT_WRAPPER="/opt/nothing")
    )
    assert seen(outcome)["environ"]["_HANDLER"] == "app.look"
    assert len(spans(outcome.exports)) == 2
    assert outcome.stderr == (
        'serverless-instrument: SERVERLESS_INSTRUMENT_NEXT_WRAPPER="/opt/nothing" is not an '
        "executable file; the function runs without it\n"
    )


def test_our_wrapper_twice_instruments_once(emulators: Emulators, tmp_path: Path) -> None:
    twice = write_script(tmp_path / "twice", f'exec {WRAPPER} {WRAPPER} "$@"')
    through, chained = emulators.run(
        environment(emulators.layer.full, wrapper=twice),
        environment(emulators.layer.full, SERVERLESS_INSTRUMENT_NEXT_WRAPPER=WRAPPER),
    )
    for outcome in (through, chained):
        assert seen(outcome)["environ"]["_HANDLER"] == "app.look"
        assert len(spans(outcome.exports)) == 2
        assert outcome.stderr == ""


def test_layer_without_its_package_is_one_warning(emulators: Emulators, tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    shutil.copytree(emulators.layer.no_extension, opt)
    shutil.rmtree(opt / "python" / "serverless_instrument")
    broken, bare = emulators.run(environment(opt), environment(opt, wrapper=""))
    assert seen(broken)["event"] == {"q": "pot"}
    assert seen(broken)["modules"] == seen(bare)["modules"]
    assert broken.stderr == (
        f"serverless-instrument: no package beside {WRAPPER}; "
        "the function runs without instrumentation\n"
    )


def test_layer_with_a_broken_package_is_one_warning(emulators: Emulators, tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    shutil.copytree(emulators.layer.no_extension, opt)
    package = opt / "python" / "serverless_instrument"
    shutil.rmtree(package / "bundles")
    (package / "wrapper" / "settings.py").write_text("raise RuntimeError('out of order')\n")
    (outcome,) = emulators.run(environment(opt))
    assert seen(outcome)["event"] == {"q": "pot"}
    assert outcome.stderr == (
        "serverless-instrument: the function runs without instrumentation: "
        "RuntimeError: out of order\n"
    )


def test_switched_off_by_the_standard_variable(emulators: Emulators) -> None:
    (outcome,) = emulators.run(environment(emulators.layer.full, OTEL_SDK_DISABLED="true"))
    assert seen(outcome)["environ"]["_HANDLER"] == "app.look"
    assert spans(outcome.exports) == []
    assert outcome.stderr == ""
