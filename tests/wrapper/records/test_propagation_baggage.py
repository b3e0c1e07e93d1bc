"""https://www.w3.org/TR/baggage/."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.records.propagation import (
    format_baggage,
    parse_baggage,
    percent_decode,
    percent_encode,
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {}),
        (",", {}),
        ("key=value", {"key": "value"}),
        ("key1=value1,key2=value2", {"key1": "value1", "key2": "value2"}),
        (" key1 \t= value1 , key2=value2 ", {"key1": "value1", "key2": "value2"}),
        ("key1=value1;property1;property2,key2=v;p=1", {"key1": "value1", "key2": "v"}),
        ("key=", {"key": ""}),
        ("key=a=b==", {"key": "a=b=="}),
        ("user=Am%C3%A9lie,path=%22DF%2028%22", {"user": "Amélie", "path": '"DF 28"'}),
        ("key=%ff", {"key": "\ufffd"}),
        ("key=100%,key2=%zz,key3=%4", {"key": "100%", "key2": "%zz", "key3": "%4"}),
        ("a=%g1,b=%1g,c=%41%g", {"a": "%g1", "b": "%1g", "c": "A%g"}),
        ("a!#$%&'*+-.^_`|~1=1", {"a!#$%&'*+-.^_`|~1": "1"}),
        ("key=1,key=2", {"key": "2"}),
        # members that break the grammar do not cost the others
        (
            'good=1,bad,=worse,two words=1,(a)=1,é=1,q="x",s=a b,b=\\,good2=2',
            {"good": "1", "good2": "2"},
        ),
    ],
)
def test_entries_of_a_header(header: str, expected: dict[str, str]) -> None:
    assert parse_baggage(header) == expected


def test_a_header_over_8192_bytes_is_dropped() -> None:
    assert parse_baggage("k=" + "v" * 8190) == {"k": "v" * 8190}
    assert parse_baggage("k=" + "v" * 8191) == {}


def test_at_most_180_entries_are_read() -> None:
    assert len(parse_baggage(",".join(f"k{n}=1" for n in range(200)))) == 180


def test_what_is_sent() -> None:
    entries = {"user": 'Amélie "A" 100%', "plain": "a=b:c", "empty": ""}
    header = format_baggage(entries)
    assert header == "user=Am%C3%A9lie%20%22A%22%20100%25,plain=a=b:c,empty="
    assert parse_baggage(header) == entries


def test_a_key_that_is_no_token_is_not_sent() -> None:
    assert format_baggage({"two words": "1", "": "2", "a,b": "3", "k": "4"}) == "k=4"


def test_what_is_sent_is_within_the_limits() -> None:
    assert format_baggage({f"k{n}": "1" for n in range(200)}).count(",") == 179
    assert len(format_baggage({"k": "v" * 8190})) == 8192
    assert format_baggage({"k": "v" * 8191}) == ""
    header = format_baggage({f"key{n}": "v" * 100 for n in range(100)})
    assert 8000 < len(header) <= 8192
    assert len(parse_baggage(header)) == header.count(",") + 1


@given(st.text())
def test_no_text_raises(header: str) -> None:
    parse_baggage(header)
    percent_decode(header)


@given(st.text(alphabet='ab%=;, \t"\\%é41ff', max_size=80))
def test_entries_survive_being_sent_on(header: str) -> None:
    entries = parse_baggage(header)
    assert parse_baggage(format_baggage(entries)) == entries


@given(st.text(), st.frozensets(st.integers(0x21, 0x7E).filter(lambda byte: byte != 0x25)))
def test_escapes_are_undone(text: str, safe: frozenset[int]) -> None:
    encoded = percent_encode(text, safe)
    assert encoded.isascii()
    assert percent_decode(encoded) == text


def test_lone_surrogates_cannot_be_sent() -> None:
    assert percent_encode("\ud800", frozenset()) == "%3F"
    assert percent_decode("\ud800%41") == "?A"
