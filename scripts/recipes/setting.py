"""The recipe of a setting of our own: declaration, docs/settings.md, the attribute that has it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from recipes.source_list import RecipeError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_PREFIX = "SERVERLESS_INSTRUMENT_"
_DECLARED = "scripts/declared_settings.py"
_KNOWN = "serverless_instrument/forwarder/destinations/unknown_settings.py"
_PAGE = "docs/settings.md"
_CLASSES = {
    "runtime": "serverless_instrument/wrapper/settings.py",
    "forwarder": "serverless_instrument/forwarder/destinations/settings.py",
}
_READERS = {
    "boolean": "environment.boolean(environ, {name!r}, {default}, self.warnings)",
    "count": "environment.count(environ, {name!r}, {default}, self.warnings)",
    "list": "environment.comma_list(environ, {name!r})",
    "text": "environment.value_of(environ, {name!r})",
}
_NEXT_STEPS = """\
Written:
  {declared}: {name}, in "{section}"
  {known}: its name, as a known one
  {page}, which is made from that
  {file}: Settings.{attribute}

It is complete and its tests pass. Now make it true, in this order:

1. {declared}: what it means, in one line. Where OpenTelemetry specifies a variable, take its
   name instead of ours.
2. {file}: the reader (serverless_instrument/environment.py has one for each kind of value)
   and its bounds. A bad value is one warning with the remedy, and the default.
   What both processes read is a function in environment.py instead, and declared as BOTH.
3. Use Settings.{attribute}, with a test that fails without it, and a line in CHANGELOG.md.

After each change of the declaration: scripts/settings-table
Run: scripts/test tests/test_declared_settings.py {tests}
"""


class Setting(NamedTuple):
    """A setting to be; `name` without our prefix, `default` as it would be written."""

    name: str
    kind: str
    default: str
    read_by: str
    section: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of this recipe."""
    parser.add_argument("name", help=f"without {_PREFIX}, like CAPTURE_PAYLOAD")
    parser.add_argument("--kind", choices=sorted(_READERS), default="boolean")
    parser.add_argument("--default", default="", help="of a boolean (false) or a count (0)")
    parser.add_argument("--read-by", choices=sorted(_CLASSES), default="runtime")
    parser.add_argument("--section", default="What is sent", help="of docs/settings.md")


def from_arguments(arguments: argparse.Namespace) -> Setting:
    """What the command line asks for.

    Raises:
        RecipeError: a name or a default that cannot be one.
    """
    name = arguments.name.removeprefix(_PREFIX)
    if not (name.isascii() and name.isidentifier() and name.isupper()):
        raise RecipeError(
            f"{name!r} is no name for a setting; capitals and underscores, like FLUSH"
        )
    default = arguments.default
    if arguments.kind == "boolean":
        default = default or "false"
        if default not in ("true", "false"):
            raise RecipeError(f"--default {default}: of a boolean, true or false")
    elif arguments.kind == "count":
        default = default or "0"
        if not (default.isascii() and default.isdigit()):
            raise RecipeError(f"--default {default}: of a count, a whole number")
    elif default:
        raise RecipeError(f"--default {default}: a {arguments.kind} has none")
    return Setting(name, arguments.kind, default, arguments.read_by, arguments.section)


def write(root: Path, setting: Setting) -> str:
    """Write everything below `root`; what to say of it.

    Raises:
        RecipeError: there is such a setting, or the sources are not as they were.
    """
    name, file = _PREFIX + setting.name, _CLASSES[setting.read_by]
    declared = (root / _DECLARED).read_text()
    if f'"{name}"' in declared:
        raise RecipeError(f"{name} is declared already; choose another name")
    declared = _declared(declared, name, setting)
    read = _read((root / file).read_text(), name, setting)
    known = _with_known((root / _KNOWN).read_text(), setting.name)
    (root / _KNOWN).write_text(known)
    (root / _DECLARED).write_text(declared)
    (root / file).write_text(read)
    for command in (
        ["-m", "ruff", "format", "--quiet", _DECLARED, file],
        ["scripts/settings_table.py", _PAGE],
    ):
        subprocess.run([sys.executable, *command], cwd=root, check=True)
    tests = "tests/wrapper/test_settings.py"
    if setting.read_by == "forwarder":
        tests = "tests/forwarder/destinations"
    return _NEXT_STEPS.format(
        declared=_DECLARED,
        known=_KNOWN,
        name=name,
        section=setting.section,
        page=_PAGE,
        file=file,
        attribute=setting.name.lower(),
        tests=tests,
    )


def _with_known(source: str, rest: str) -> str:
    """`source` with one more name that the forwarder takes for known, in its place."""
    names = re.findall(r'^        "([A-Z_]+)",$', source, re.MULTILINE)
    after = max((name for name in names if name < rest), default="")
    line = f'        "{after}",\n'
    if source.count(line) != 1:
        raise RecipeError(f"{_KNOWN}: no place for {rest} among the known names")
    return source.replace(line, f'{line}        "{rest}",\n')


def _declared(source: str, name: str, setting: Setting) -> str:
    """The declarations with one more at the end of its section."""
    ends = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "SECTIONS":
            assert isinstance(node.value, ast.Tuple)
            for section in node.value.elts:
                title, settings = ast.literal_eval(section.elts[0]), section.elts[1]  # type: ignore[attr-defined] # a tuple of two
                if isinstance(settings, ast.Tuple):
                    ends[title] = settings.end_lineno or 0
    if setting.section not in ends:
        raise RecipeError(f"--section {setting.section}: not one of {', '.join(sorted(ends))}")
    arguments = f'"{name}", "{setting.kind}", "{setting.default}", {setting.read_by.upper()}'
    lines = source.splitlines(keepends=True)
    lines.insert(ends[setting.section] - 1, f'Setting({arguments}, "to be described"),\n')
    return "".join(lines)


def _read(source: str, name: str, setting: Setting) -> str:
    """The class `Settings` with one more attribute, read at the end of its ``__init__``."""
    attribute = setting.name.lower()
    (settings,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    )
    (slots,) = (node.value for node in settings.body if isinstance(node, ast.Assign))
    (made,) = (
        node
        for node in settings.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    names = ast.literal_eval(slots)
    if attribute in names:
        raise RecipeError(f"Settings.{attribute} is there already; choose another name")
    default = setting.default.title() if setting.kind == "boolean" else setting.default
    reader = _READERS[setting.kind].format(name=name, default=default)
    lines = source.splitlines(keepends=True)
    lines.insert(made.end_lineno or 0, f"        self.{attribute} = {reader}\n")
    first, last = slots.lineno, slots.end_lineno or 0
    listed = ", ".join(f'"{each}"' for each in sorted({*names, attribute}))
    lines[first - 1 : last] = [f"    __slots__ = ({listed})\n"]
    return "".join(lines)
