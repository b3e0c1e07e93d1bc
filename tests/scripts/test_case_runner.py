"""What cases declare, how runs are compared, and a case run for real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from case_runner import comparison, declared
from case_runner.trial import Outcome

ROOT = Path(__file__).parents[2]
TABLE = """\
| case | issue | needs | expected |
|---|---|---|---|
| slow | a | boto3, moto server; --timeout 20 | as bare |
| json | b | env AWS_LAMBDA_LOG_FORMAT=JSON A=b=c; --framed | twice |
| other | c | handler pkg/sub/mod.handler | - |
| gap | c | --timeout 30 --gap 1.2 | - |
"""


def test_needs_are_read_from_the_table() -> None:
    found = declared.from_readme(TABLE)
    assert list(found) == ["slow", "json", "other", "gap"]
    assert found["slow"] == (declared.Needs(timeout_s=20, packages=("boto3",)), "as bare")
    assert found["json"][0].env == {"AWS_LAMBDA_LOG_FORMAT": "JSON", "A": "b=c"}
    assert found["json"][0].framed
    assert found["other"][0].handler == "pkg/sub/mod.handler"
    assert (found["gap"][0].timeout_s, found["gap"][0].gap_s) == (30, 1.2)


def test_options_add_to_what_is_declared() -> None:
    needs = declared.Needs(env={"A": "1"}, framed=True)
    changed = declared.from_arguments("--env B=2 --no-framed --timeout 5", needs)
    assert (changed.env, changed.framed, changed.timeout_s) == ({"A": "1", "B": "2"}, False, 5)


@pytest.mark.parametrize("line", ["--nonsense", "--timeout soon", "--env A"])
def test_wrong_options_are_named(line: str) -> None:
    with pytest.raises(ValueError, match=line.rsplit(maxsplit=1)[-1]):
        declared.from_arguments(line, declared.Needs())


def test_differences_leave_out_what_always_differs() -> None:
    bare = Outcome([("success", '"at 0x7f00aa00bb"')], lines=["2026-11-30T10:00:00.123Z a"])
    ours = Outcome([("success", '"at 0x7f11aa11bb"')], lines=["2026-11-30T10:00:07.456Z a"])
    assert comparison.differences(bare, ours) == []
    ours.answers[0] = ("error", "{}")
    ours.lines.append("b")
    assert comparison.differences(bare, ours) == ["answers", "lines"]


@pytest.mark.integration
def test_a_case_is_run_bare_and_with_the_layer(tmp_path: Path) -> None:
    case = tmp_path / "tells"
    case.mkdir()
    (case / "app.py").write_text(
        "import sys\ndef handler(event, context):\n"
        "    print('ours' if 'serverless_instrument.wire' in sys.modules else 'bare')\n"
        "    return event['n']\n"
    )
    (case / "events.json").write_text('[{"n": 1}, {"n": 2}]')
    command = [str(ROOT / "scripts" / "cases"), "--python", sys.executable, str(case)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "tells: lines" in result.stdout, result.stderr
    assert "only bare 2x bare" in result.stdout
    assert "only ours 2x ours" in result.stdout
    assert "2x SERVER tells UNSET" in result.stdout
    assert result.returncode == 1
