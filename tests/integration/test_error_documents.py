"""Functions that fail, with the layer and without: the same document, output and exit status.

Every case runs twice under AWS's emulator with the real runtime client: bare, and with the layer.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.integration.emulator import FUNCTIONS, WRAPPER, Emulators, invoke
from tests.integration.scenario import Environment, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Case:
    """A handler that fails, and what must be found in the bare function's answer or output.

    `at_init`: the failure is the module's, or its loader's, before any invocation.
    """

    handler: str
    sign: str
    at_init: bool = False
    json_logs: bool = False
    python: tuple[int, int] = (3, 10)

    def __str__(self) -> str:
        return self.handler + (" JSON" if self.json_logs else "")


IN_HANDLER = (
    Case("app.raises", '"errorType": "ValueError"'),
    Case("app.raises", '"errorType": "ValueError"', json_logs=True),
    Case("app.raises_with_cause", "LookupError"),
    Case("app.raises_with_context", "while looking for tea"),
    Case("app.raises_nested_class", '"errorType": "NestedError"'),
    Case("app.raises_attribute_error", "'LambdaContext' object has no attribute 'colour'"),
    Case("app.raises_own_attribute_error", "MissingColourError"),
    Case("app.raises_without_message", '"errorMessage": ""'),
    Case("app.raises_in_many_words", "zwei Zeilen"),
    Case("app.raises_half_a_character", "surrogates not allowed"),
    Case("app.raises_key_error", "KeyError"),
    Case("app.raises_unprintable", "RuntimeError: no words for it"),
    Case("app.raises_ready_made", "made before it was raised"),
    Case("app.raises_without_traceback", "as if from nowhere"),
    Case("app.raises_stop_iteration", "StopIteration"),
    Case("app.raises_memory_error", "MemoryError"),
    Case("app.raises_with_note", "see the note", python=(3, 11)),
    Case("app.raises_group", '"errorType": "ExceptionGroup"', python=(3, 11)),
    Case("app.raises_base_group", "BaseExceptionGroup: several", python=(3, 11)),
    Case("app.recurses", '"errorType": "RecursionError"'),
    Case("app.imports_missing", '"errorType": "ModuleNotFoundError"'),
    Case("app.imports_broken", '"errorType": "SyntaxError"'),
    Case("app.exits_0", "Runtime.ExitError"),
    Case("app.exits_3", "exit status 3"),
    Case("app.exits_with_message", "out of tea"),
    Case("app.exits_at_once", "exit status 5"),
    Case("app.is_interrupted", "KeyboardInterrupt"),
    Case("app.raises_base_exception", "app.Stop: everything"),
    Case("app.raises_generator_exit", "GeneratorExit"),
    Case("app.closes_stdout_and_fails", "unheard"),
    Case("app.returns_object", "Runtime.MarshalError"),
    Case("app.returns_set", "Runtime.MarshalError"),
    Case("app.returns_cycle", "Runtime.MarshalError"),
    Case("app.returns_bytes", "tea"),
    Case("app.returns_coroutine", "was never awaited"),
    Case("app.returns_generator", "Runtime.MarshalError"),
    Case("app.takes_nothing", "takes 0 positional arguments but 2 were given"),
    Case("app.takes_nothing", "takes 0 positional arguments but 2 were given", json_logs=True),
    Case("app.takes_one", "takes 1 positional argument but 2 were given"),
    Case("app.takes_three", "missing 1 required positional argument"),
    Case("app.takes_keywords", "takes 0 positional arguments"),
    Case("app.not_callable", "'int' object is not callable"),
    Case("app.none", "'NoneType' object is not callable"),
    Case("app.partial", "in a partial"),
    Case("app.instance", "in an instance"),
    Case("app.method", "in a method"),
    Case("app.a_class", "Runtime.MarshalError"),
    Case("app.builtin", "len() takes exactly one argument (2 given)"),
    Case("app.builtin_that_raises", "unsupported operand type(s) for divmod()"),
    Case("app.sys_exit", "exit expected at most 1 argument, got 2"),
    Case("dir/mod.handler", "in a directory"),
    Case("pkg.mod.handler", "in a package"),
    Case("bootstrap.handler", "in a bootstrap of the user"),
    Case("os.getenv", '"errorType": "TypeError"'),
    Case("app.greets", '{"hello": {"q": "tea"}}'),
)
AT_INIT = tuple(
    Case(handler, sign, at_init=True, json_logs=json_logs)
    for handler, sign, json_logs in (
        ("import_value_error.handler", '"errorType": "ValueError"', False),
        ("import_value_error.handler", '"errorType": "ValueError"', True),
        ("dir/import_value_error.handler", '"errorType": "ValueError"', False),
        ("import_attribute_error.handler", "module 'os' has no attribute 'no_such_name'", False),
        ("import_attribute_error.handler", '"errorType": "AttributeError"', True),
        ("import_own_attribute_error.handler", '"errorType": "ColourError"', False),
        ("import_attribute_error_cause.handler", "in its own words", False),
        ("import_key_error.handler", '"errorType": "KeyError"', False),
        ("import_after_output.handler", "after some output", False),
        ("import_after_output.handler", "after some output", True),
        ("import_recursion.handler", '"errorType": "RecursionError"', False),
        ("import_system_exit.handler", "exit status 3", False),
        ("import_system_exit_message.handler", "out of tea", False),
        ("import_exit_at_once.handler", "exit status 5", False),
        ("import_base_exception.handler", "Stop: everything", False),
        ("import_interrupt.handler", "KeyboardInterrupt", False),
        ("imports_missing.handler", "No module named 'no_such_module_anywhere'", False),
        ("imports_missing_name.handler", "cannot import name 'no_such_name'", False),
        ("imports_broken.handler", "Syntax error in module 'imports_broken'", False),
        ("broken_syntax.handler", "Runtime.UserCodeSyntaxError", False),
        ("broken_indentation.handler", "Runtime.UserCodeSyntaxError", False),
        ("app.missing", "Handler 'missing' missing on module 'app'", False),
        ("dir/mod.missing", "Handler 'missing' missing on module 'dir/mod'", False),
        ("dynamic.absent", "Handler 'absent' missing on module 'dynamic'", False),
        ("dynamic.other", "no other", False),
        ("no_such_module.handler", "Unable to import module 'no_such_module'", False),
        ("no/such/module.handler", "Unable to import module 'no/such/module'", False),
        ("handler", "Runtime.MalformedHandlerName", False),
        ("app.", "Handler '' missing on module 'app'", False),
        (".app.handler", "relative import", False),
        ("sys.exit", "Runtime.BuiltInModuleConflict", False),
        ("time.sleep", "Runtime.BuiltInModuleConflict", False),
    )
)
# Much of a case is waiting: for the platform to kill what does not hear SIGTERM.
PARALLEL = 3
CASES = tuple(case for case in IN_HANDLER + AT_INIT if sys.version_info >= case.python)


def environment(case: Case, opt: str, wrapper: Mapping[str, str]) -> Environment:
    return Environment(
        handler=case.handler,
        task_root=str(FUNCTIONS / "failing"),
        opt=opt,
        steps=(invoke({"q": "tea"}),),
        environ={
            # A module compiled by one run would be read by the next from another file.
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_LOG_FORMAT": "JSON" if case.json_logs else "Text",
            **wrapper,
        },
    )


@pytest.fixture(scope="module")
def outcomes(emulators: Emulators) -> dict[Case, tuple[Outcome, Outcome]]:
    """Of every case, bare and with the layer."""
    layer = emulators.layer
    bare, instrumented = [], []
    for case in CASES:
        bare.append(environment(case, str(layer.empty), {}))
        # The emulator starts a failed environment again at once, and refuses the extension's second
        # registration: what fails at init can be compared only without the extension.
        opt = layer.no_extension if case.at_init else layer.full
        instrumented.append(environment(case, str(opt), {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER}))
    found = emulators.run(*bare, *instrumented, parallel=PARALLEL)
    pairs = zip(found[: len(CASES)], found[len(CASES) :], strict=True)
    return dict(zip(CASES, pairs, strict=True))


def comparable(text: str) -> str:
    """`text` without what differs from one run of a function to the next."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<request id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>", text)
    # How deep a recursion gets depends on how deep it starts: the wrapper is one frame.
    text = re.sub(r"Previous line repeated \d+ more times", "Previous line repeated", text)
    return re.sub(r"0x[0-9a-f]{6,}", "<address>", text)


def without_bootstrap(stderr: str) -> str:
    """`stderr` without the frames of files named ``bootstrap.py`` in its tracebacks."""
    lines, hidden = [], False
    for line in stderr.splitlines():
        text = line.lstrip(" |")
        if text.startswith('File "'):
            hidden = "/bootstrap.py" in text
        elif not line.lstrip("|").startswith("    "):
            hidden = False
        if not hidden:
            lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_failure_reads_as_without_the_layer(
    outcomes: dict[Case, tuple[Outcome, Outcome]], case: Case
) -> None:
    bare, instrumented = outcomes[case]
    (expected,), (answer,) = bare.answers, instrumented.answers
    assert case.sign in expected.body + bare.stdout + bare.stderr + bare.emulator_log
    assert (answer.status, comparable(answer.body)) == (expected.status, comparable(expected.body))
    assert comparable(instrumented.stdout) == comparable(bare.stdout)
    said, expected_words = comparable(instrumented.stderr), comparable(bare.stderr)
    if case.at_init or sys.version_info < (3, 11):
        # The interpreter's own last words. The user's module is loaded from inside the client's
        # loader, and Python 3.10 lets nobody take a frame out of an exception on its way up.
        said, expected_words = without_bootstrap(said), without_bootstrap(expected_words)
    assert said == expected_words
    assert instrumented.runtime_exits == bare.runtime_exits
