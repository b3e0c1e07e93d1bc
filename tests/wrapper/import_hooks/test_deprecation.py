"""Our decorator for deprecation warns as with the real ``typing_extensions``."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import typing_extensions

from serverless_instrument.wrapper.import_hooks.deprecation import Deprecated


@pytest.fixture(params=[Deprecated, typing_extensions.deprecated], ids=["ours", "real"])
def deprecated(request: pytest.FixtureRequest) -> Any:
    return request.param


def said(action: Any) -> tuple[object, list[tuple[str, type, bool]]]:
    """(result or error of `action`, its warnings: text, category, does it point at this file?)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
        except TypeError as error:
            result = str(error)
    return result, [(str(one.message), one.category, one.filename == __file__) for one in caught]


ONE = [("use b", DeprecationWarning, True)]


def test_a_function_warns_where_it_is_called(deprecated: Any) -> None:
    @deprecated("use b")  # type: ignore[untyped-decorator] # either of the two
    def a(x: int, *, y: int) -> int:
        """As it was."""
        return x + y

    assert said(lambda: a(1, y=2)) == (3, ONE)
    assert (a.__name__, a.__doc__, a.__deprecated__) == ("a", "As it was.", "use b")


def test_a_method_warns_as_well(deprecated: Any) -> None:
    class Kept:
        @deprecated("use b")  # type: ignore[untyped-decorator] # either of the two
        def a(self) -> str:
            return type(self).__name__

    assert said(lambda: Kept().a()) == ("Kept", ONE)


def test_a_class_warns_when_made_and_its_subclass_when_defined(deprecated: Any) -> None:
    @deprecated("use b")
    class Old:
        def __init__(self, value: int = 0) -> None:
            self.value = value

    made, warned = said(lambda: Old(3))
    assert isinstance(made, Old)
    assert (made.value, warned) == (3, ONE)
    subclass, warned = said(lambda: type("New", (Old,), {}))
    assert [text for text, _, _ in warned] == ["use b"]
    assert isinstance(subclass, type)
    assert said(lambda: subclass(4).value) == (4, [])
    assert Old.__deprecated__ == "use b"  # type: ignore[attr-defined] # as PEP 702 says


def test_a_class_without_arguments_still_takes_none(deprecated: Any) -> None:
    @deprecated("use b")
    class Old:
        pass

    assert said(lambda: Old(3)) == ("Old() takes no arguments", ONE)  # type: ignore[call-arg] # on purpose


def test_what_a_class_does_with_new_and_with_subclasses_stays(deprecated: Any) -> None:
    class Base:
        names: list[str] = []  # noqa: RUF012 - what the test looks at

        def __new__(cls, value: int) -> Base:
            made = super().__new__(cls)
            made.value = value  # type: ignore[attr-defined] # as untyped code does
            return made

    class Old(Base):
        def __init_subclass__(cls, **options: object) -> None:
            Base.names = [*Base.names, cls.__name__, *options]

    marked = deprecated("use b")(Old)
    made, warned = said(lambda: marked(3).value)
    assert (made, warned) == (3, ONE)
    said(lambda: type("New", (marked,), {}, x=1))
    assert Base.names == ["New", "x"]


def test_without_a_category_nothing_is_said(deprecated: Any) -> None:
    marked = deprecated("use b", category=None)(lambda: 1)
    assert said(marked) == (1, [])
    assert marked.__deprecated__ == "use b"
