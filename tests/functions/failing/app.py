"""Handlers that fail, each in its own way."""

import functools
import os
import sys


class Outer:
    class NestedError(Exception):
        pass


class MissingColourError(AttributeError):
    pass


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no words for it")


class Stop(BaseException):
    pass


READY_MADE = ValueError("made before it was raised")


def fail(message):
    raise ValueError(message)


def raises(event, context):
    fail("on purpose")


def raises_with_cause(event, context):
    try:
        {}["tea"]
    except KeyError as error:
        raise LookupError("no tea") from error


def raises_with_context(event, context):
    try:
        {}["tea"]
    except KeyError:
        fail("while looking for tea")


def raises_nested_class(event, context):
    raise Outer.NestedError("one class in another")


def raises_attribute_error(event, context):
    context.colour


def raises_own_attribute_error(event, context):
    raise MissingColourError("colour")


def raises_without_message(event, context):
    raise ValueError


def raises_in_many_words(event, context):
    raise ValueError("grüß Gott,\nzwei Zeilen\tund \N{HOT BEVERAGE}")


def raises_half_a_character(event, context):
    raise ValueError("\ud83d")


def raises_key_error(event, context):
    return event["missing"]


def raises_unprintable(event, context):
    raise UnprintableError


def raises_ready_made(event, context):
    raise READY_MADE


def raises_without_traceback(event, context):
    try:
        fail("as if from nowhere")
    except ValueError as error:
        raise error.with_traceback(None) from None


def raises_stop_iteration(event, context):
    next(iter(()))


def raises_memory_error(event, context):
    raise MemoryError


def raises_with_note(event, context):
    error = ValueError("see the note")
    error.add_note("the note")
    raise error


def raises_group(event, context):
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def raises_base_group(event, context):
    raise BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("one")])


def recurses(event, context):
    recurses(event, context)


def imports_missing(event, context):
    import no_such_module_anywhere  # noqa: F401


def imports_broken(event, context):
    import broken_syntax  # noqa: F401


def exits_0(event, context):
    print("leaving")
    sys.exit(0)


def exits_3(event, context):
    sys.exit(3)


def exits_with_message(event, context):
    sys.exit("out of tea")


def exits_at_once(event, context):
    os._exit(5)


def is_interrupted(event, context):
    raise KeyboardInterrupt


def raises_base_exception(event, context):
    raise Stop("everything")


def raises_generator_exit(event, context):
    raise GeneratorExit


def closes_stdout_and_fails(event, context):
    sys.stderr.close()
    fail("unheard")


def returns_object(event, context):
    return {"tea": object()}


def returns_set(event, context):
    return {1}


def returns_cycle(event, context):
    cycle = []
    cycle.append(cycle)
    return cycle


def returns_bytes(event, context):
    return b"tea"


async def returns_coroutine(event, context):
    return "never awaited"


def returns_generator(event, context):
    yield 1


def takes_nothing():
    return "unreachable"


def takes_one(event):
    return "unreachable"


def takes_three(event, context, more):
    return "unreachable"


def takes_keywords(*, event, context):
    return "unreachable"


def fail_with(message, event, context):
    fail(message)


class Callable:
    def __call__(self, event, context):
        fail("in an instance")

    def method(self, event, context):
        fail("in a method")


class TakesTwo:
    def __init__(self, event, context):
        pass


not_callable = 42
none = None
partial = functools.partial(fail_with, "in a partial")
instance = Callable()
method = Callable().method
a_class = TakesTwo
builtin = len
builtin_that_raises = divmod
sys_exit = sys.exit


def greets(event, context):
    print("hello", event)
    return {"hello": event}
