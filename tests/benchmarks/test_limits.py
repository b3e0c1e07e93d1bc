"""What CONTRIBUTING says of limits is what is held."""

from __future__ import annotations

from benchmark import command, markdown_table
from benchmark.starts import budget_file, verdict
from layer_build import __main__ as layer_build


def test_the_table_in_contributing_has_the_limits_that_are_held() -> None:
    limits = budget_file.read()["limits"]
    rows = {
        "runtime, exec to first `/next`, over bare awslambdaric, CPU ms": "init_hello_cpu_ms",
        "the same with boto3 and a client of it, CPU ms": "init_boto_cpu_ms",
        "forwarder, exec to register, times the bare `python -I -S` with `_socket`": (
            "forwarder_register_over_bare"
        ),
        "forwarder, peak memory, MiB": "forwarder_peak_mib",
    }
    assert set(rows.values()) == set(limits)
    sizes = {
        "layer for one Python, MB": layer_build.BUDGET_ONE_PYTHON_BYTES,
        "layer for all Pythons, MB": layer_build.BUDGET_ALL_BYTES,
    }
    table = markdown_table.lines(
        ["", "at most"],
        [
            *([what, f"{limits[name]:g}"] for what, name in rows.items()),
            *([what, f"{size_bytes / 1e6:g}"] for what, size_bytes in sizes.items()),
        ],
    )
    text = (command.ROOT / "CONTRIBUTING.md").read_text()
    assert "\n".join(table) in text
    assert f"within {verdict.TOLERANCE:.0%}".replace("%", " %") in text


def test_the_readme_says_what_is_counted() -> None:
    builds = budget_file.read()["builds"]
    counted = builds["CPython 3.11.7 x86_64 GCC 12.2.0"]["instructions"]
    text = (command.ROOT / "README.md").read_text()
    rows = {
        "runtime, exec to first `/next`": ("init_hello", 1),
        "the same with boto3 and a client of it": ("init_boto", 1),
        "an HTTP invocation (0.47 of it bare's own)": ("invocation_http", 2),
        "a span, start to socket": ("span", 3),
        "a log line (0.08 of it bare's own)": ("log_line", 3),
        "extension, exec to register": ("forwarder_register", 1),
    }
    for what, (name, digits) in rows.items():
        assert f"\n| {what} | {counted[name] / 1e6:.{digits}f} |" in text, what
