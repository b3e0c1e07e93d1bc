"""Lines of the embedded metric format, well formed and not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.inputs.emf import parse_line
from serverless_instrument.forwarder.inputs.emf_values import ucum

NOW_MS = 1_700_000_000_000
NOW_NS = NOW_MS * 1_000_000
# The specification's own example.
SPECIFICATION: dict[str, Any] = {
    "_aws": {
        "Timestamp": 1574109732004,
        "CloudWatchMetrics": [
            {
                "Namespace": "lambda-function-metrics",
                "Dimensions": [["functionVersion"]],
                "Metrics": [{"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60}],
            }
        ],
    },
    "functionVersion": "$LATEST",
    "time": 100,
    "requestId": "989ffbf8-9ace-4817-a57c-e4dd734019ee",
}


def line(
    metrics: Any = None, dimensions: Any = None, timestamp: Any = NOW_MS, **members: Any
) -> str:
    """A line of one directive; `members` are the root's."""
    metrics = [{"Name": "time"}] if metrics is None else metrics
    directive = {"Namespace": "shop", "Metrics": metrics, "Dimensions": dimensions}
    metadata = {"Timestamp": timestamp, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, **members})


def told(text: str) -> list[tuple[Any, ...]]:
    """(name, unit, attributes, pairs) of each measurement of a line without defects."""
    found, defects = parse_line(text, NOW_NS)
    assert defects == []
    return [(each.name, each.unit, each.attributes, each.pairs) for each in found]


def defects(text: str) -> list[str]:
    found, defects = parse_line(text, NOW_NS)
    assert found == []
    return defects


def test_the_specifications_example() -> None:
    ((found,), defects) = parse_line(json.dumps(SPECIFICATION), NOW_NS)
    assert defects == []
    assert (found.namespace, found.name, found.unit) == ("lambda-function-metrics", "time", "ms")
    assert (found.attributes, found.pairs) == ({"functionVersion": "$LATEST"}, [(100, 1)])
    # It was written years before CloudWatch would see it: too old to be taken for its time.
    assert found.time_unix_ns == NOW_NS


@pytest.mark.parametrize(
    ("timestamp", "time_ms"),
    [
        (NOW_MS - 1000, NOW_MS - 1000),
        (float(NOW_MS), NOW_MS),
        (None, NOW_MS),
        (NOW_MS // 1000, NOW_MS),
        (0, NOW_MS),
        (-5, NOW_MS),
        (10**90, NOW_MS),
        (NOW_MS + 3_600_000, NOW_MS + 3_600_000),
        (NOW_MS + 7_300_000, NOW_MS),
    ],
)
def test_times(timestamp: object, time_ms: int) -> None:
    ((found,), _) = parse_line(line(timestamp=timestamp, time=1), NOW_NS)
    assert found.time_unix_ns == time_ms * 1_000_000


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        (1, [(1, 1)]),
        (-0.5, [(-0.5, 1)]),
        ([1, 2, 2], [(1, 1), (2, 1), (2, 1)]),
        (list(range(100)), [(number, 1) for number in range(100)]),
        ({"Values": [1, 2], "Counts": [3, 4.0]}, [(1, 3), (2, 4)]),
        ({"Values": [1, 2], "Counts": [3, 0]}, [(1, 3)]),
        ({"Values": [1, 2]}, [(1, 1), (2, 1)]),
        ({"Sum": 10, "Count": 4, "Min": 1, "Max": 5}, [(2.5, 4)]),
    ],
)
def test_values(value: object, pairs: object) -> None:
    assert told(line(time=value)) == [("time", "1", {}, pairs)]


def test_statistics_beside_values_are_taken_at_their_word() -> None:
    value = {"Values": [1, 2], "Counts": [3, 4], "Sum": 11.5, "Min": 0.9, "Max": 2.1, "Count": 7}
    ((found,), _) = parse_line(line(time=value), NOW_NS)
    assert (found.total, found.least, found.most) == (11.5, 0.9, 2.1)


def test_each_set_of_dimensions_is_a_point_of_its_own() -> None:
    dimensions = [["a"], ["a", "b"], [], ["b", "a"], ["a"]]
    found = told(line(None, dimensions, time=5, a="x", b="y", c="z"))
    assert [attributes for _, _, attributes, _ in found] == [{"a": "x"}, {"a": "x", "b": "y"}, {}]


@pytest.mark.parametrize("dimensions", [None, [], [[]]])
def test_without_dimensions(dimensions: object) -> None:
    assert told(line(None, dimensions, time=5)) == [("time", "1", {}, [(5, 1)])]


def test_several_directives_and_metrics_of_which_some_are_defined_twice() -> None:
    root = {
        "_aws": {
            "CloudWatchMetrics": [
                {"Namespace": "a", "Metrics": [{"Name": "x"}, {"Name": "y"}, {"Name": "x"}]},
                {"Namespace": "b", "Metrics": [{"Name": "x", "Unit": "Count"}]},
            ]
        },
        "x": 1,
        "y": 2,
    }
    found, defects = parse_line(json.dumps(root), NOW_NS)
    assert [(each.namespace, each.name, each.unit) for each in found] == [
        ("a", "x", "1"),
        ("a", "y", "1"),
        ("b", "x", "{count}"),
    ]
    assert defects == []


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        ("Seconds", "s"),
        ("Microseconds", "us"),
        ("Milliseconds", "ms"),
        ("Bytes", "By"),
        ("Gigabits", "Gbit"),
        ("Percent", "%"),
        ("Count", "{count}"),
        ("None", "1"),
        ("Kilobytes/Second", "kBy/s"),
        ("Count/Second", "{count}/s"),
        ("{order}", "{order}"),
    ],
)
def test_units(unit: str, code: str) -> None:
    assert ucum(unit) == code


def test_what_is_good_in_a_line_does_not_suffer_from_what_is_not() -> None:
    metrics = [
        {"Name": "time"},
        {"Name": "gone"},
        {"Name": "text"},
        5,
        {},
        {"Name": "n", "Unit": 1},
    ]
    text = line(metrics, [["a"], ["none"], "a", ["a", 5]], time=5, text="5", a="x", n=1)
    found, defects = parse_line(text, NOW_NS)
    assert [(each.name, each.attributes) for each in found] == [("time", {"a": "x"})]
    assert len(defects) == 3 + 5
    assert defects[0] == "the dimension 'none' has no text for its value"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "5",
        [],
        {},
        [1, "2"],
        [[1]],
        list(range(101)),
        1e200,
        {"Values": []},
        {"Values": [1], "Counts": []},
        {"Values": [1], "Counts": [0]},
        {"Values": [1], "Counts": [-1]},
        {"Values": [1], "Counts": 1},
        {"Values": [1], "Counts": [1e30]},
        {"Values": [1], "Sum": "1"},
        {"Sum": 1, "Count": 0, "Min": 1, "Max": 1},
        {"Sum": 1, "Count": 2, "Min": 1},
    ],
)
def test_values_that_are_none(value: object) -> None:
    assert len(defects(line(time=value))) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"_aws"',
        '["_aws"]',
        '"_aws"',
        '{"_aws": 5}',
        '{"_aws": null}',
        '{"_aws": {}}',
        '{"_aws": {"CloudWatchMetrics": {}}}',
        '{"_aws": {"CloudWatchMetrics": [5]}}',
        '{"_aws": {"CloudWatchMetrics": [{}]}}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": " ", "Metrics": []}]}}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "a", "Metrics": {}}]}}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "a", "Metrics": [{"Name": "_aws"}]}]}}',
        line([{"Name": "m"}], m=float("nan")),
        line([{"Name": "m"}], m=float("inf")),
        '{"_aws": {"CloudWatchMetrics": []}, "m": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"_aws": {"CloudWatchMetrics": []}, "m": ' + "9" * 5000 + "}",
        line(timestamp="now", time=1),
        line(timestamp=True, time=1),
        line(None, [["d"] * 31], time=1, d="x"),
        line(None, [[str(number)] for number in range(101)], time=1),
        line(None, [["d"]], time=1, d=5),
        line(None, [["d"]], time=1, d="x" * 1025),
        line(None, "d", time=1, d="x"),
        line([{"Name": "n" * 1025}], time=1),
    ],
)  # fmt: skip
def test_what_is_malformed_is_counted(text: str) -> None:
    assert len(defects(text)) == 1


def test_more_metrics_than_cloudwatch_takes_are_counted_one_by_one() -> None:
    names = [str(number) for number in range(105)]
    found, defects = parse_line(
        line([{"Name": n} for n in names], **dict.fromkeys(names, 1)), NOW_NS
    )
    assert (len(found), len(defects)) == (100, 5)


def test_one_line_is_no_flood() -> None:
    names = {f"d{number}": "x" for number in range(100)}
    metrics = [{"Name": f"m{number}"} for number in range(100)]
    directive = {
        "Namespace": "a",
        "Dimensions": [[name] for name in names],
        "Metrics": metrics,
    }
    values = {f"m{number}": 1 for number in range(100)}
    root = {"_aws": {"CloudWatchMetrics": [directive] * 50}, **names, **values}
    found, defects = parse_line(json.dumps(root), NOW_NS)
    assert (len(found), len(defects)) == (10_000, 49)


@pytest.mark.parametrize(
    "text",
    ['{"message": "\\"_aws\\" is", "nested": {"_aws": {}}}', '{"detail": ["_aws"]}'],
)
def test_json_without_the_member_at_its_top_is_none(text: str) -> None:
    assert parse_line(text, NOW_NS) == ([], [])


def test_halves_of_surrogate_pairs_do_not_stop_anybody() -> None:
    text = line(
        [{"Name": "\ud800", "Unit": "\udfff"}], [["d\ud800"]], **{"\ud800": 1, "d\ud800": "\ud801"}
    )
    assert told(text) == [("?", "?", {"d?": "?"}, [(1, 1)])]


NAMES = st.sampled_from(["Name", "a", "Unit", "Values", "Counts", "Sum"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON, JSON, JSON, st.booleans())
def test_nothing_raises(
    namespace: Any, dimensions: Any, metrics: Any, value: Any, good: bool
) -> None:
    if good:
        dimensions, metrics = [["a"]], [{"Name": "time", "Unit": dimensions}]
    directive = {"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics}
    root = {"_aws": {"Timestamp": value, "CloudWatchMetrics": [directive]}, "time": value, "a": "b"}
    found, defects = parse_line(json.dumps(root), NOW_NS)
    assert all(each.pairs and each.name for each in found)
    assert all(isinstance(defect, str) for defect in defects)


@given(st.text(max_size=100), st.integers(0, 400))
def test_a_line_cut_off_or_changed_does_not_raise(text: str, at: int) -> None:
    whole = json.dumps(SPECIFICATION)
    for line in (whole[:at] + text + whole[at + 1 :], whole[:at]):
        found, defects = parse_line(line, NOW_NS)
        assert all(each.pairs and each.name for each in found)
        assert all(isinstance(defect, str) for defect in defects)
