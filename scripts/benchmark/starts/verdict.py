"""Judges counts and module sets against the recorded ones; pure.

Counts depend on the build of the interpreter. On a build that is recorded they are held to
`TOLERANCE`; on another of the same minor version they are scaled by what the bare runtime takes
there, and held to `FOREIGN_TOLERANCE`; for a minor version that nobody has recorded there is no
verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.starts.modules import Modules, ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmark.starts.counts import Counted

TOLERANCE = 0.03
FOREIGN_TOLERANCE = 0.10


class Yardstick(NamedTuple):
    """What applies to one build: the recorded entry, how far off is fine, and why."""

    entry: Mapping[str, Any]
    scale: float
    tolerance: float
    reason: str


def minor(build: str) -> str:
    """``"CPython 3.11"`` of ``"CPython 3.11.7 x86_64 GCC 12.2.0"``."""
    name, version = build.split()[:2]
    return f"{name} {'.'.join(version.split('.')[:2])}"


def recorded_as(recorded: Mapping[str, Any], build: str) -> str:
    """The recorded build that applies to `build`, perhaps another of its minor version, or ""."""
    if build in recorded:
        return build
    return next((other for other in sorted(recorded) if minor(other) == minor(build)), "")


def yardstick(recorded: Mapping[str, Any], build: str, bare: int) -> Yardstick | None:
    """How to judge on `build`, whose bare runtime takes `bare` instructions; None: not recorded."""
    found = recorded_as(recorded, build)
    if not found:
        return None
    entry = recorded[found]
    if found == build:
        return Yardstick(entry, 1.0, TOLERANCE, "recorded on this build")
    scale = bare / entry["bare_init_hello"]
    return Yardstick(entry, scale, FOREIGN_TOLERANCE, f"scaled by {scale:.3f} from {found}")


def count_problems(stick: Yardstick, measured: Mapping[str, int]) -> list[str]:
    """One line for each of `measured` that is off its budget, with what to do about it."""
    problems = []
    for name, count in measured.items():
        if name not in stick.entry["instructions"]:
            problems.append(f"{name}: no budget; record one with scripts/bench budgets --record")
            continue
        budget = stick.entry["instructions"][name] * stick.scale
        change = count / budget - 1
        figures = (
            f"{name}: {count:,} instructions where the budget is {budget:,.0f} "
            f"({change:+.1%}, at most {stick.tolerance:.0%}; {stick.reason})"
        )
        if change > stick.tolerance:
            problems.append(f"{figures}: make it cheaper, or raise the budget for all to see")
        elif change < -stick.tolerance:
            problems.append(
                f"{figures}: well done; lower the budget, scripts/bench budgets --record"
            )
    return problems


def start_problems(
    recorded: Mapping[str, Any], entry: Mapping[str, Any], start: str, found: Modules
) -> list[str]:
    """One line for each way in which the modules of `start` differ from what is recorded.

    Ours are held to the list of all builds, the others to that of the build's `entry`. What is
    loaded while the process waits for its answer is among them: whether that was before or after
    the request had arrived is chance.
    """
    expected = {*recorded["modules"][start], *entry["other_modules"][start]}
    return module_problems(expected, found.settled, start)


def module_problems(recorded: Iterable[str], loaded: Iterable[str], where: str) -> list[str]:
    """One line for the modules that are new at a start, one for those that are gone."""
    expected, found = set(recorded), set(loaded)
    problems = []
    if found - expected:
        problems.append(f"{where} loads more than recorded: {', '.join(sorted(found - expected))}")
    if expected - found:
        problems.append(
            f"{where} no longer loads {', '.join(sorted(expected - found))}: "
            "scripts/bench budgets --record"
        )
    return problems


def with_record(
    recorded: Mapping[str, Any],
    build: str,
    measured: Mapping[str, Counted],
    modules: Mapping[str, Modules],
) -> dict[str, Any]:
    """`recorded` with what was measured and loaded on `build` in place of what it held."""
    empty: dict[str, Any] = {"bare_init_hello": 0, "instructions": {}, "other_modules": {}}
    entry = {**empty, **recorded["builds"].get(build, {})}
    if "init_hello" in measured:
        entry["bare_init_hello"] = measured["init_hello"].bare
    counted = {what: found.added for what, found in measured.items()}
    entry["instructions"] = {**entry["instructions"], **counted}
    loaded = {start: found.settled for start, found in modules.items()}
    others = {start: sorted(names - ours(names)) for start, names in loaded.items()}
    entry["other_modules"] = {**entry["other_modules"], **others}
    owned = {start: sorted(ours(names)) for start, names in loaded.items()}
    return {
        **recorded,
        "builds": {**recorded["builds"], build: entry},
        "modules": {**recorded["modules"], **owned},
    }
