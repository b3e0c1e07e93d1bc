from __future__ import annotations

from serverless_instrument.wrapper.records.errors import (
    details,
    message,
    qualified_name,
    stacktrace,
)


class OwnError(Exception):
    class InnerError(Exception):
        pass


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_names() -> None:
    assert qualified_name(ValueError) == "ValueError"
    assert qualified_name(OwnError.InnerError) == f"{__name__}.OwnError.InnerError"
    bare = type("Bare", (Exception,), {})
    bare.__module__ = "elsewhere"
    assert qualified_name(bare) == "elsewhere.Bare"


def test_a_metaclass_that_raises_when_asked_for_a_name() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> object:
            raise ValueError(name)

    odd = Meta("Odd", (Exception,), {"__module__": "elsewhere"})
    assert qualified_name(odd) == "elsewhere.Odd"
    nowhere = Meta("Nowhere", (Exception,), {})
    type.__delattr__(nowhere, "__module__")
    assert qualified_name(nowhere) == "Nowhere"


def test_messages() -> None:
    assert message(ValueError("no")) == "no"
    assert message(KeyError("k")) == "'k'"
    assert message(UnprintableError()) == ""


def test_stack_traces() -> None:
    error = raised(ValueError("no"))
    text = stacktrace(error, error.__traceback__)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: no\n")
    assert stacktrace(error, None) == "ValueError: no\n"


def test_a_stack_trace_that_fails_is_an_empty_one() -> None:
    class StrangeError(Exception):
        @property
        def __cause__(self) -> BaseException:  # type: ignore[override] # that is the test
            raise ZeroDivisionError

    assert stacktrace(StrangeError(), None) == ""


def test_details() -> None:
    assert details(OwnError("no"), "trace") == {
        "exception.type": f"{__name__}.OwnError",
        "exception.message": "no",
        "exception.stacktrace": "trace",
    }


def test_the_name_of_a_class_that_raises_when_asked_for_it() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> object:
            raise ValueError(name)

    class OddError(Exception, metaclass=Meta):
        pass

    assert qualified_name(OddError).startswith(f"{__name__}.test_the_name_of")
    assert qualified_name(OddError).endswith(".OddError")
