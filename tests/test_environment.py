"""How each kind of value is read, and that both processes read every switch alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument import declared_settings, environment
from serverless_instrument.forwarder.destinations.settings import (
    SIGNALS,
    receiver_port,
    statsd_port,
)
from serverless_instrument.forwarder.destinations.settings import Settings as Destinations
from serverless_instrument.forwarder.faas_metrics import enhanced_metrics
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
from serverless_instrument.wrapper.settings import Settings as RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[Mapping[str, str]], tuple[bool, list[str]]]

NAME = "NAME"
TRUE = ["true", "1", "yes", "on", "TRUE", " true ", "Yes", "ON\n", "\ttrue"]
FALSE = ["false", "0", "no", "off", "False", " OFF "]
NEITHER = ["maybe", "2x", "tru", "truefalse", "y\nes", "true,", "'true'"]
# A value as an environment can hold it.
texts = st.text(st.characters(exclude_characters="\0"), max_size=60)


def log_settings(environ: Mapping[str, str]) -> LogSettings:
    return LogSettings(environ, has_destination=True, takes_metrics=True)


def destinations(environ: Mapping[str, str]) -> Destinations:
    return Destinations({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://host", **environ})


def of_logs(read: Callable[[LogSettings], bool]) -> Reader:
    def ask(environ: Mapping[str, str]) -> tuple[bool, list[str]]:
        settings = log_settings(environ)
        return read(settings), settings.warnings

    return ask


def of_runtime(read: Callable[[RuntimeSettings], bool]) -> Reader:
    def ask(environ: Mapping[str, str]) -> tuple[bool, list[str]]:
        settings = RuntimeSettings(environ)
        return read(settings), settings.warnings

    return ask


def of_port(read: Callable[[Mapping[str, str]], tuple[int, str]]) -> Reader:
    def ask(environ: Mapping[str, str]) -> tuple[bool, list[str]]:
        port, problem = read(environ)
        return port > 0, [problem] if problem else []

    return ask


def enhanced(environ: Mapping[str, str]) -> tuple[bool, list[str]]:
    warnings: list[str] = []
    return enhanced_metrics.wanted(environ, warnings), warnings


def disabled(environ: Mapping[str, str]) -> tuple[bool, list[str]]:
    settings = destinations(environ)
    return not settings.destinations, settings.warnings


# Each switch as the forwarder reads it, which says what is wrong with it, and as the runtime does.
FORWARDER: dict[str, Reader] = {
    "OTEL_SDK_DISABLED": disabled,
    "SERVERLESS_INSTRUMENT_DEV_MODE": of_logs(lambda settings: settings.dev_mode),
    "SERVERLESS_INSTRUMENT_EMF": of_logs(lambda settings: settings.emf),
    "SERVERLESS_INSTRUMENT_ENHANCED_METRICS": enhanced,
    "SERVERLESS_INSTRUMENT_EXTENSION_LOGS": of_logs(lambda s: "extension" in s.types),
    "SERVERLESS_INSTRUMENT_LOGS": of_logs(lambda settings: settings.rules.enabled),
    "SERVERLESS_INSTRUMENT_PLATFORM_LOGS": of_logs(lambda settings: settings.platform_logs),
    "SERVERLESS_INSTRUMENT_RECEIVER": of_port(receiver_port),
    "SERVERLESS_INSTRUMENT_STATSD": of_port(statsd_port),
}
RUNTIME: dict[str, Reader] = {
    "OTEL_SDK_DISABLED": of_runtime(lambda settings: settings.disabled),
    "SERVERLESS_INSTRUMENT_DEV_MODE": of_runtime(lambda settings: settings.dev_mode),
    "SERVERLESS_INSTRUMENT_LOGS": of_runtime(lambda settings: settings.logs_exported),
}
SWITCHES = {
    setting.name: setting for setting in declared_settings.declared() if "boolean" in setting.kind
}


def test_every_switch_is_asked_of_every_process_that_reads_it() -> None:
    assert set(FORWARDER) == set(SWITCHES)
    both = {name for name, each in SWITCHES.items() if each.read_by == declared_settings.BOTH}
    assert set(RUNTIME) == both


@pytest.mark.parametrize("name", sorted(SWITCHES))
@pytest.mark.parametrize("value", ["", "  ", *TRUE, *FALSE, *NEITHER])
def test_a_switch_means_the_same_in_both_processes(name: str, value: str) -> None:
    default = SWITCHES[name].default == "true"
    word = value.strip().lower()
    if SWITCHES[name].kind == "OTel boolean":
        expected, is_known = word == "true", word in ("", "true", "false")
    else:
        expected = value in TRUE if value in TRUE or value in FALSE else default
        is_known = not word or value in TRUE or value in FALSE
    on, warnings = FORWARDER[name]({name: value})
    assert on is expected
    assert len(warnings) == (0 if is_known else 1)
    assert all(warning.startswith(f'{name}="') for warning in warnings)
    assert all(warning.isprintable() for warning in warnings)
    if name in RUNTIME:
        assert RUNTIME[name]({name: value}) == (expected, [])


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    ("value", "exported", "warned"),
    [
        ("", True, 0),
        ("otlp", True, 0),
        ("none", False, 0),
        ("none,", False, 0),
        (" , NONE,none", False, 0),
        ("otlp,none", True, 0),
        ("console,otlp", True, 0),
        ("console", True, 1),
        ("none,console", True, 1),
    ],
)
def test_an_exporter_means_the_same_in_both_processes(
    signal: str, value: str, exported: bool, warned: int
) -> None:
    environ = {f"OTEL_{signal.upper()}_EXPORTER": value}
    forwarder, runtime = destinations(environ), RuntimeSettings(environ)
    assert (signal in forwarder.destinations) is exported
    assert getattr(runtime, f"{signal}_exported") is exported
    assert (len(forwarder.warnings), runtime.warnings) == (warned, [])


def test_an_environment_of_the_operating_system_is_read_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVERLESS_INSTRUMENT_DEV_MODE", "1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    settings = RuntimeSettings(os.environ)
    assert (settings.dev_mode, settings.disabled) == (True, True)


# Kinds of values.


def test_a_value_is_shown_in_one_line_and_cut() -> None:
    assert environment.shown("a\nb\x1b[31m\u2028") == "a?b?[31m?"
    assert environment.shown("x" * 100) == "x" * 100
    assert environment.shown("x" * 101) == "x" * 100 + "..."


def test_a_warning_is_added_once() -> None:
    warnings: list[str] = []
    for _ in range(3):
        assert environment.boolean({NAME: "maybe"}, NAME, True, warnings) is True
        assert environment.pattern(NAME, "(", warnings) is None
    assert warnings == [
        'NAME="maybe" is neither true nor false, using true: set it to one of them',
        'NAME: pattern "(" is skipped: missing ), unterminated subpattern at position 0',
    ]


def test_a_switch_without_a_default_is_neither() -> None:
    warnings: list[str] = []
    assert environment.boolean({}, NAME, None, warnings) is None
    assert environment.boolean({NAME: "?"}, NAME, None, warnings) is None
    assert "using the default" in warnings[0]


@given(st.integers(0, 10**15 - 1))
def test_whole_numbers(number: int) -> None:
    assert environment.whole(str(number)) == number
    assert environment.count({NAME: f" {number} "}, NAME, 5, []) == number


@given(st.one_of(texts, st.sampled_from(["3", " 9", "007", "2", "10", "-4", "4.0", "\u0664"])))
def test_what_is_no_number_in_range_is_the_default_with_one_warning(text: str) -> None:
    warnings: list[str] = []
    found = environment.count({NAME: text}, NAME, 5, warnings, 3, 9, " of bytes")
    value = text.strip()
    if value.isascii() and value.isdigit() and 3 <= int(value) <= 9:
        assert (found, warnings) == (int(value), [])
    else:
        shown = environment.shown(value)
        warning = f'NAME="{shown}" is not a whole number of bytes from 3 up, using 5'
        assert (found, warnings) == (5, [warning] if value else [])


def test_no_number_is_too_long_to_be_refused() -> None:
    assert environment.whole("9" * 100_000) == 10**15
    warnings: list[str] = []
    assert environment.count({NAME: "9" * 16}, NAME, None, warnings) is None
    assert warnings[0].endswith("is not a whole number from 0 up, using no limit")


@pytest.mark.parametrize(
    ("value", "expected_ms", "warned"),
    [("", 10, 0), ("7", 7, 0), ("0", 100, 0), ("101", 100, 0), ("9" * 99, 100, 0), ("1s", 10, 1)],
)
def test_durations(value: str, expected_ms: int, warned: int) -> None:
    warnings: list[str] = []
    assert environment.duration_ms({NAME: value}, NAME, 10, 100, warnings) == expected_ms
    assert len(warnings) == warned


@pytest.mark.parametrize(
    ("value", "chosen", "warned"), [("", "b", 0), (" A ", "a", 0), ("c", "c", 0), ("d", "b", 1)]
)
def test_choices(value: str, chosen: str, warned: int) -> None:
    warnings: list[str] = []
    assert environment.choice({NAME: value}, NAME, ("a", "b", "c"), "b", warnings) == chosen
    assert (
        warnings
        == [
            'NAME="d" is not known, using b: set it to a, b or c',
        ][:warned]
    )


@given(st.lists(st.text("ab -", min_size=1).map(str.strip).filter(bool)))
def test_lists(members: list[str]) -> None:
    assert environment.comma_list({NAME: " , ".join(members)}, NAME) == members
    assert environment.comma_list({NAME: f",{','.join(members)},,"}, NAME) == members


@given(texts, st.text(max_size=10))
def test_any_pattern_is_usable_or_one_warning(text: str, replacement: str) -> None:
    warnings: list[str] = []
    found = environment.pattern(NAME, text, warnings, replacement)
    assert (found is None) is (len(warnings) == 1)
    assert all(warning.isprintable() for warning in warnings)


@given(st.dictionaries(st.sampled_from(sorted(declared_settings.known_names())), texts))
def test_any_environment_is_read_and_every_warning_is_said_once(environ: dict[str, str]) -> None:
    said = [
        *destinations(environ).warnings,
        *log_settings(environ).warnings,
        *RuntimeSettings(environ).warnings,
    ]
    assert len(said) == len(set(said))
    assert all(warning.isprintable() for warning in said)
