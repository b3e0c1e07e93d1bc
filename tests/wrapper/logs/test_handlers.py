"""What the function's handlers drop or hide stays so; a record goes when a handler writes it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wrapper.client import Line, run

JSON: dict[str, Any] = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
CARD, PIN, WORD = "4111222233334444", "pin-8642", "hunter2"

HIDING = {
    "a filter of the runtime's handler": "root.handlers[0].addFilter(Redact())",
    "a formatter of the runtime's": "root.handlers[0].setFormatter(Hiding('%(message)s\\n'))",
    "a patched formatter": (
        "own = root.handlers[0].formatter; made = own.format; "
        "own.format = lambda record: hide(made(record))"
    ),
    "a patched handler": (
        "first = root.handlers[0]; made = first.format; "
        "first.format = lambda record: hide(made(record))"
    ),
    "a patched class": (
        "kind = type(root.handlers[0].formatter); made = kind.format; "
        "kind.format = lambda self, record: hide(made(self, record))"
    ),
    "a sink that hides": (
        "sink = root.handlers[0].log_sink; put = sink.log; "
        "sink.log = lambda msg, frame_type=None: put(hide(msg), frame_type)"
    ),
    "an own handler": (
        "h = logging.StreamHandler(sys.stdout); h.setFormatter(Hiding()); root.handlers[:] = [h]"
    ),
    "one handler of two": (
        "h = logging.StreamHandler(sys.stdout); h.setFormatter(Hiding()); root.addHandler(h); "
        "root.handlers[0].addFilter(Redact())"
    ),
    "a handler that prints": "root.handlers[:] = [Printing()]",
    "a queue": (
        "import logging.handlers, queue; q = queue.Queue(); "
        "h = logging.StreamHandler(sys.stdout); h.setFormatter(Hiding()); "
        "root.handlers[:] = [logging.handlers.QueueHandler(q)]; "
        "listener = logging.handlers.QueueListener(q, h); listener.start()"
    ),
    "memory": (
        "import logging.handlers; h = logging.StreamHandler(sys.stdout); h.setFormatter(Hiding()); "
        "root.handlers[:] = [logging.handlers.MemoryHandler(1, target=h)]"
    ),
}
SOURCE = """
    import logging, re, sys
    def hide(text):
        return "" if "hunter2" in text else re.sub(r"\\d{{16}}|pin-\\d+", "[gone]", text)
    class Redact(logging.Filter):
        def filter(self, record):
            record.msg = hide(record.getMessage())
            record.args = record.exc_info = None
            record.card = record.deep = "[gone]"
            return bool(record.msg)
    class Hiding(logging.Formatter):
        def format(self, record):
            return hide(super().format(record))
    class Printing(logging.Handler):
        def emit(self, record):
            print(hide(self.format(record)))
    root = logging.getLogger()
    root.setLevel("INFO")
    listener = None
    {setting}
    def handler(event, context):
        root.info("card {CARD} {PIN}")
        root.error("card %s", "{CARD}", extra={{"card": "{CARD}", "deep": {{"pin": "{PIN}"}}}})
        root.info("password {WORD}")
        try:
            raise ValueError("{PIN}")
        except ValueError:
            root.exception("failed")
        if listener is not None:
            listener.stop()
"""


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("environ", [{}, JSON])
@pytest.mark.parametrize("setting", HIDING.values(), ids=HIDING)
def test_what_handlers_hide_stays_hidden(
    setting: str, environ: dict[str, Any], framed: bool
) -> None:
    source = SOURCE.format(setting=setting, CARD=CARD, PIN=PIN, WORD=WORD)
    written = run(source, framed=framed, **environ)
    everything = str(written.lines)
    for secret in (CARD, PIN, WORD):
        assert secret not in everything
    assert not written.missed
    told = [int(line.record.severity_number) for line in written.lines if line.body != ""]
    assert told.count(9) >= 1
    assert told.count(17) == 2
    failed = [line for line in written.lines if "failed" in str(line.body)]
    assert failed[0].attributes["exception.type"] == "ValueError"
    assert failed[0].attributes["code.function.name"] == "handler"


def levels(lines: list[Line]) -> list[tuple[object, int]]:
    return [(line.body, line.record.severity_number) for line in lines]


BATCHING = """
    import logging, logging.handlers, queue, sys
    class Texts(logging.Handler):
        def __init__(self):
            super().__init__()
            self.kept = []
        def emit(self, record):
            self.kept.append(self.format(record))
        def flush(self):
            {flush}
            self.kept.clear()
    class Records(Texts):
        def emit(self, record):
            self.kept.append(record)
        def flush(self):
            for record in self.kept:
                sys.stdout.write(self.format(record) + "\\n")
            self.kept.clear()
    log = logging.getLogger("shop")
    log.setLevel("DEBUG")
    log.propagate = False
    kept = {kind}()
    log.addHandler(kept)
    def handler(event, context):
        log.debug("one")
        log.error("two\\nlines")
        log.warning("three")
        kept.flush()
"""


@pytest.mark.parametrize(
    ("kind", "flush"),
    [
        ("Texts", "for text in self.kept: print(text)"),
        ("Texts", "[print(t) for t in (chr(10).join(self.kept[::2]), *self.kept[1::2]) if t]"),
        ("Records", "pass"),
    ],
)
def test_a_batching_handlers_records_have_their_levels(kind: str, flush: str) -> None:
    written = run(BATCHING.format(kind=kind, flush=flush))
    assert sorted(map(str, levels(written.lines))) == sorted(
        map(str, [("one", 5), ("two\nlines", 17), ("three", 13)])
    )
    assert {line.scope for line in written.lines} == {"shop"}
    assert not written.missed


@pytest.mark.parametrize("kind", ["QueueHandler", "Plain"])
def test_a_queued_record_goes_once_with_its_exception(kind: str) -> None:
    written = run(f"""
        import logging, logging.handlers, queue, sys
        class Plain(logging.handlers.QueueHandler):
            def emit(self, record):
                self.enqueue(record)
        QueueHandler = logging.handlers.QueueHandler
        q = queue.Queue()
        log = logging.getLogger("shop")
        log.setLevel("INFO")
        log.propagate = False
        log.addHandler({kind}(q))
        out, err = logging.StreamHandler(sys.stdout), logging.StreamHandler()
        listener = logging.handlers.QueueListener(q, out, err)
        listener.start()
        def handler(event, context):
            log.info("one")
            log.error("two", exc_info=ValueError("boom"))
            listener.stop()
    """)
    one, two = written.lines
    assert levels([one]) == [("one", 9)]
    assert (two.record.severity_number, two.scope) == (17, "shop")
    assert two.attributes["exception.type"] == "ValueError"
    assert two.attributes["exception.message"] == "boom"
    assert not written.missed


def test_a_level_of_ones_own_is_not_rounded() -> None:
    written = run(
        """
        import logging
        logging.addLevelName(35, "AUDIT")
        def handler(event, context):
            logging.log(35, "seen")
        """,
        **JSON,
    )
    (line,) = written.lines
    assert (line.record.severity_number, line.record.severity_text) == (16, "AUDIT")


def test_what_goes_elsewhere_is_no_record() -> None:
    """A file's handler writes nothing that the platform sees."""
    written = run("""
        import io, logging
        log = logging.getLogger("quiet")
        log.propagate = False
        log.addHandler(logging.StreamHandler(io.StringIO()))
        def handler(event, context):
            log.error("in memory")
            print("printed")
    """)
    assert levels(written.lines) == [("printed", 0)]


def test_an_object_that_changes_later_is_told_as_it_was() -> None:
    written = run("""
        import logging
        def handler(event, context):
            order = {"items": [1]}
            logging.error("booked", extra={"order": order, "number": 7})
            order["items"].append(2)
    """)
    (line,) = written.lines
    assert line.attributes["order"] == {"items": [1]}
    assert line.attributes["number"] == 7
