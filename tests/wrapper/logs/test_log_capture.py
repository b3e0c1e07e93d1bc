"""What a function logs and prints under the real runtime client is sent once, with its trace."""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import Any

import pytest

from serverless_instrument import wire
from tests.wrapper import decoded
from tests.wrapper.client import Written, run

JSON: dict[str, Any] = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
FORMATS: list[dict[str, Any]] = [{}, JSON, {"AWS_LAMBDA_LOG_LEVEL": "INFO"}]
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ][\d:.,]+Z?")

EVERYTHING = """
    import logging, sys, traceback
    log = logging.getLogger("shop")
    print("at init")
    log.warning("warned at init")

    def handler(event, context):
        logging.getLogger().setLevel("INFO")
        print("plain")
        print("a", "b", sep="-")
        print()
        print("one\\ntwo")
        sys.stderr.write("to stderr\\n")
        sys.stdout.writelines(["x\\n", "y\\n"])
        log.info("hello %s", "you", extra={"order": 7})
        log.warning({"dict": 1})
        log.error("two\\nlines")
        log.debug("below the level")
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("failed")
            traceback.print_exc()
        sys.stdout.write("no newline")
        raise ValueError("at the end")
"""


def same(ours: Written, bare: Written) -> None:
    assert ours.code == bare.code
    assert _TIME.sub(b"T", ours.stdout) == _TIME.sub(b"T", bare.stdout)
    assert _TIME.sub(b"T", ours.stderr) == _TIME.sub(b"T", bare.stderr)
    assert [(kind, _TIME.sub(b"T", text)) for kind, text in ours.framed] == [
        (kind, _TIME.sub(b"T", text)) for kind, text in bare.framed
    ]


def trace_is_the_invocations(written: Written) -> None:
    (span,) = written.spans
    for line in written.lines:
        if "faas.invocation_id" in line.attributes:
            assert line.attributes["faas.invocation_id"] == "request-1"
            assert line.record.trace_id == span.trace_id


@pytest.mark.parametrize("environ", FORMATS)
@pytest.mark.parametrize("framed", [False, True])
def test_output_is_what_it_was_and_each_line_arrives_once(
    environ: dict[str, Any], framed: bool
) -> None:
    ours = run(EVERYTHING, framed=framed, **environ)
    same(ours, run(EVERYTHING, instrumented=False, framed=framed, **environ))
    assert not ours.missed
    bodies = [str(body) for body in ours.bodies]
    once = ["at init", "warned at init", "plain", "a-b", "one", "two", "to stderr", "x", "y"]
    # The runtime client's formats write it so.
    told = '{"dict": 1}' if environ is JSON else "{'dict': 1}"
    once += ["hello you", told, "two\nlines", "failed", "no newline"]
    assert {text: bodies.count(text) for text in once} == dict.fromkeys(once, 1)
    assert len([body for body in bodies if "at the end" in body or "'x'" in body]) == 1
    assert "below the level" not in bodies
    # The text that handlers write for a record is no line of its own.
    assert len(bodies) == len(once) + 1 + len(traceback_lines(ours))
    trace_is_the_invocations(ours)


def traceback_lines(written: Written) -> list[bytes]:
    start = written.stderr.index(b"Traceback")
    return [line for line in written.stderr[start:].split(b"\n") if line]


def test_a_record_says_what_logging_knows() -> None:
    written = run(EVERYTHING)
    line = written.line("hello you")
    record = line.record
    assert (record.severity_number, record.severity_text, line.scope) == (9, "INFO", "shop")
    assert line.attributes["order"] == 7
    assert line.attributes["code.function.name"] == "handler"
    assert str(line.attributes["code.file.path"]).endswith("/app.py")
    assert line.attributes["code.line.number"] == 15
    assert 0 < record.time_unix_nano <= record.observed_time_unix_nano
    failed = written.line("failed")
    assert failed.record.severity_number == 17
    assert failed.attributes["exception.type"] == "ZeroDivisionError"
    assert failed.attributes["exception.message"] == "division by zero"
    assert "1 / 0" in str(failed.attributes["exception.stacktrace"])
    assert written.line("{'dict': 1}").record.severity_number == 13
    assert written.line("to stderr").attributes["log.iostream"] == "stderr"
    assert written.line("plain").record.severity_number == 0
    assert written.line("at init").record.trace_id == b""


def test_lines_go_before_the_end_of_their_invocation() -> None:
    written = run("def handler(event, context):\n    print('x', end='')")
    assert written.kinds[-1] == wire.END
    assert written.bodies == ["x"]


ONCE = {
    "basicConfig(force=True)": "logging.basicConfig(force=True, format='%(message)s')",
    "handlers.clear(), then stderr": (
        "root.handlers.clear(); root.addHandler(logging.StreamHandler()); root.setLevel('INFO')"
    ),
    "dictConfig": (
        "import logging.config; logging.config.dictConfig({'version': 1, "
        "'disable_existing_loggers': False, "
        "'handlers': {'h': {'class': 'logging.StreamHandler', 'stream': 'ext://sys.stdout'}}, "
        "'root': {'handlers': ['h'], 'level': 'INFO'}})"
    ),
    "own handler, no propagation": (
        "log.addHandler(logging.StreamHandler(sys.stdout)); log.propagate = False; "
        "log.setLevel('INFO')"
    ),
    "two handlers": "root.addHandler(logging.StreamHandler(sys.stderr)); root.setLevel('INFO')",
    "formatter of the runtime's handler": (
        "root.handlers[0].setFormatter(logging.Formatter('mine %(message)s\\n')); "
        "root.setLevel('INFO')"
    ),
    "last resort": "root.handlers.clear(); root.setLevel('INFO')",
}


@pytest.mark.parametrize("setting", ONCE.values(), ids=ONCE)
@pytest.mark.parametrize("framed", [False, True])
def test_whatever_the_handlers_a_record_arrives_once(setting: str, framed: bool) -> None:
    source = f"""
        import logging, sys
        root, log = logging.getLogger(), logging.getLogger("shop")
        {setting}
        def handler(event, context):
            log.warning("hello %s", "you")
    """
    ours = run(source, framed=framed)
    same(ours, run(source, instrumented=False, framed=framed))
    ((body, severity),) = [(line.body, line.record.severity_number) for line in ours.lines]
    assert (str(body).removeprefix("mine "), severity) == ("hello you", 13)
    assert not ours.missed


def test_what_no_handler_takes_is_not_sent() -> None:
    written = run("""
        import logging
        log = logging.getLogger("quiet")
        log.addHandler(logging.NullHandler())
        log.propagate = False
        def handler(event, context):
            log.error("nobody shows this")
    """)
    assert not written.lines


def test_a_handler_that_fails_says_the_same_as_without_us() -> None:
    source = """
        import logging, sys
        root = logging.getLogger()
        root.handlers.clear()
        root.addHandler(logging.StreamHandler(sys.stderr))
        def handler(event, context):
            logging.warning("%d", "no number")
            print("after")
    """
    ours, bare = run(source), run(source, instrumented=False)
    # The stack has the frame that calls the user's handler, and no frame of logging.
    own = re.compile(rb'  File "[^"]*/wrapper/bootstrap.py", .*\n.*\n')
    assert own.sub(b"", ours.stderr) == bare.stderr
    assert ours.stdout == bare.stdout
    assert b"Call stack:" in ours.stderr
    assert not ours.missed


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="3.10 gives an exception raised again its old traceback"
)
def test_the_runtimes_handler_that_fails_raises_the_same() -> None:
    source = """
        import logging
        def handler(event, context):
            logging.error("%d", "no number")
    """
    ours = run(source)
    same(ours, run(source, instrumented=False))
    assert b"TypeError" in ours.stdout


@pytest.mark.parametrize("environ", FORMATS)
@pytest.mark.parametrize("framed", [False, True])
def test_an_objects_text_is_asked_for_as_often_as_without_us(
    environ: dict[str, Any], framed: bool
) -> None:
    source = """
        import logging
        class Talking:
            def __str__(self):
                print("asked")
                return "text"
        def handler(event, context):
            logging.warning(Talking())
            logging.warning("%s", Talking())
    """
    ours = run(source, framed=framed, **environ)
    same(ours, run(source, instrumented=False, framed=framed, **environ))
    assert not ours.missed
    assert ours.bodies == ["text", "text"]


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("environ", FORMATS)
def test_ten_threads_of_a_thousand_records(environ: dict[str, Any], framed: bool) -> None:
    written = run(
        """
        import logging, threading
        log = logging.getLogger("shop")
        def work(number):
            for count in range(1000):
                log.warning("%d %d", number, count)
        def handler(event, context):
            threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        """,
        framed=framed,
        **environ,
    )
    told = [str(body).split() for body in written.bodies]
    for number in range(10):
        assert [int(count) for thread, count in told if int(thread) == number] == [*range(1000)]
    assert len(told) == 10_000
    assert not written.missed
    assert Counter(found for _, found in written.digests).most_common(1)[0][1] <= 10
    trace_is_the_invocations(written)


def test_ten_threads_that_print() -> None:
    written = run("""
        import threading
        def work(number):
            for count in range(300):
                print(number, count)
        def handler(event, context):
            threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    """)
    told = [str(body).split() for body in written.bodies]
    for number in range(10):
        assert [int(count) for thread, count in told if int(thread) == number] == [*range(300)]
    # The threads' pieces are mixed in the stream, and the digests are of the mixed lines.
    assert not written.missed


def test_a_line_of_a_megabyte_and_one_of_four() -> None:
    written = run("""
        import logging
        def handler(event, context):
            print("x" * 1_000_000)
            logging.error("y" * 1_000_000)
            print("z" * 4_000_000)
            logging.error("€" * 2_000_000)
            print("last")
    """)
    text = "".join([str(body) for body in written.bodies])
    assert Counter(text) == Counter(
        {"x": 1_000_000, "y": 1_000_000, "z": 4_000_000, "€": 2_000_000} | Counter("last")
    )
    assert len(written.bodies[0]) == len(written.bodies[1]) == 1_000_000  # type: ignore[arg-type] # texts
    assert not written.missed


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="3.10 gives an exception raised again its old traceback"
)
def test_text_that_utf_8_cannot_carry() -> None:
    source = r"""
        import sys
        def handler(event, context):
            print("caf\udce9")
            try:
                print("\ud800")
            except UnicodeEncodeError:
                import traceback
                print(traceback.format_exc())
            print("after")
    """
    for errors in ("surrogateescape", "strict"):
        environ: dict[str, Any] = {"PYTHONIOENCODING": f"utf-8:{errors}"}
        ours = run(source, **environ)
        same(ours, run(source, instrumented=False, **environ))
        assert ("after" in ours.bodies) == (errors == "surrogateescape")
        shown = [line for line in ours.missed if b"\xe9" not in line]
        assert not shown


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="3.10 gives an exception raised again its old traceback"
)
def test_the_stream_is_what_it_was() -> None:
    source = """
        import sys
        def handler(event, context):
            print(type(sys.stdout), sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.encoding)
            print(sys.stdout.write("text\\n"), sys.stdout.writelines(iter(["a\\n"])))
            sys.stdout.buffer.write(b"raw\\n")
            print(hasattr(sys.stdout, "nothing"), sys.stdout.buffer.closed)
            try:
                sys.stdout.write(7)
            except TypeError as error:
                import traceback
                print(traceback.format_exc())
            try:
                sys.stdout.writelines(["one\\n", 7, "never\\n"])
            except TypeError as error:
                print(error)
            print("x", file=sys.stdout, flush=True)
            sys.stdout.flush()
    """
    ours = run(source)
    same(ours, run(source, instrumented=False))
    assert ours.missed == [b"raw"]  # for the forwarder to send


def test_invocations_have_their_own_lines() -> None:
    written = run(
        """
        def handler(event, context):
            print("in", context.aws_request_id)
        """,
        count=3,
    )
    spans = {span.span_id: decoded.attributes(span.attributes) for span in written.spans}
    assert [line.body for line in written.lines] == [f"in request-{n}" for n in (1, 2, 3)]
    for line in written.lines:
        request_id = str(line.body).removeprefix("in ")
        assert spans[line.record.span_id]["faas.invocation_id"] == request_id
        assert line.attributes["faas.invocation_id"] == request_id
    assert [request_id for request_id, _ in written.digests] == [
        "request-1",
        "request-2",
        "request-3",
    ]


def test_a_child_process_speaks_for_itself() -> None:
    written = run("""
        import logging, os, sys
        def handler(event, context):
            sys.stdout.write("begun ")
            child = os.fork()
            if not child:
                logging.error("child")
                print("child prints")
                os._exit(0)
            os.waitpid(child, 0)
            print("by the parent")
    """)
    assert Counter(map(str, written.bodies)) == Counter(
        ["child", "child prints", "begun by the parent"]
    )
    trace_is_the_invocations(written)


def test_a_thread_that_ended_without_a_line_feed() -> None:
    written = run("""
        import sys, threading
        def handler(event, context):
            thread = threading.Thread(target=sys.stdout.write, args=("from a thread",))
            thread.start()
            thread.join()
    """)
    assert written.bodies == ["from a thread"]
    assert not written.missed


def test_a_crash_keeps_the_lines_before_it() -> None:
    written = run("""
        import ctypes
        def handler(event, context):
            for number in range(1000):
                print("line", number)
            ctypes.string_at(0)
    """)
    assert written.code == -11
    assert written.bodies == [f"line {number}" for number in range(1000)]


def test_a_closed_standard_stream_is_no_reason_to_fail() -> None:
    source = """
        import sys
        sys.stdout.close()
        sys.stderr = None
        def handler(event, context):
            import logging
            sys.stdout = None
            print("nowhere")
    """
    same(run(source), run(source, instrumented=False))


def test_current_span_of_the_record() -> None:
    written = run("""
        import logging, threading
        from opentelemetry import trace
        tracer = trace.get_tracer("mine")
        def handler(event, context):
            with tracer.start_as_current_span("inner") as span:
                logging.error("inside")
                print("printed inside", trace.format_span_id(span.get_span_context().span_id))
                thread = threading.Thread(target=logging.error, args=("in a thread",))
                thread.start()
                thread.join()
            logging.error("outside")
    """)
    (root,) = written.spans
    printed = next(line for line in written.lines if "printed" in str(line.body))
    assert str(printed.body).endswith(printed.record.span_id.hex())
    assert written.line("inside").record.span_id == printed.record.span_id != root.span_id
    assert written.line("outside").record.span_id == root.span_id
    assert written.line("in a thread").record.span_id == root.span_id
    trace_is_the_invocations(written)


def test_current_span_without_opentelemetry() -> None:
    written = run("""
        import serverless_instrument
        def handler(event, context):
            with serverless_instrument.create_span("inner"):
                print("inside")
            print("outside")
    """)
    (root,) = written.spans
    assert written.line("inside").record.span_id not in (b"", root.span_id)
    assert written.line("outside").record.span_id == root.span_id


def test_nothing_is_loaded_for_a_function_that_writes_nothing() -> None:
    written = run("""
        import sys
        def handler(event, context):
            package = "serverless_instrument.wrapper.logs"
            assert f"{package}.log_capture" in sys.modules
            assert f"{package}.record_facts" not in sys.modules
    """)
    (span,) = written.spans
    assert span.status.code == span.status.STATUS_CODE_UNSET


def test_lines_that_what_we_call_writes() -> None:
    """python -v writes lines about our imports while a line is captured; it must not recurse."""
    source = "import logging\ndef handler(event, context): logging.error('said')"
    written = run(source, PYTHONVERBOSE="1")
    assert written.code == 0
    assert written.bodies.count("said") == 1
    assert b"not captured" not in written.stderr
    assert written.stderr.count(b"import 'serverless_instrument.wrapper.logs.record_facts'") == 1


def test_one_stream_under_both_names() -> None:
    source = """
        import sys
        def handler(event, context):
            sys.stderr = sys.stdout
            print("out")
            print("err", file=sys.stderr)
    """
    written = run(source)
    assert written.bodies == ["out", "err"]
