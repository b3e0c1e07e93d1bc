"""Imports of a module that are made when a function needs them, not when the module is imported.

opentelemetry-instrumentation-botocore imports the metrics and logs APIs for its Bedrock extension,
the global propagator for a function that it never calls, and, as every instrumentation does,
``packaging`` for a check that we skip: 72 M instructions with what these import.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPING = "typing_extensions"
_DEPRECATION = "serverless_instrument.wrapper.import_hooks.deprecation"

# {modules of the layer: modules that they import late}
_LATE = {
    r"/opentelemetry/instrumentation/(instrumentor|utils|_semconv)\.py": (
        "opentelemetry.instrumentation._semconv",
        "opentelemetry.instrumentation.dependencies",
        "opentelemetry.propagate",
        "packaging",
    ),
    r"/opentelemetry/instrumentation/botocore/": (
        "opentelemetry._logs",
        "opentelemetry.instrumentation.botocore.package",
        "opentelemetry.instrumentation.botocore.version",
        "opentelemetry.metrics",
        "opentelemetry.propagate",
    ),
    r"/opentelemetry/": (_TYPING,),
    # Of wrapt an instrumentation uses what wraps a function.
    r"/wrapt/__init__\.py": (".arguments", ".decorators", ".importer", ".weakrefs"),
}
_MISSING = 'raise AttributeError(f"module {__name__!r} has no attribute {name!r}")'


def late_modules(path: str) -> frozenset[str]:
    """What the module of the layer at `path` imports late."""
    return frozenset(
        name for pattern, names in _LATE.items() if re.search(pattern, path) for name in names
    )


def put_off_imports(tree: ast.Module, modules: frozenset[str]) -> None:
    """Import from `modules` in the functions of `tree` that use what is imported.

    A name that is used while the module is executed is imported then. For other modules all names
    stay importable from this one (https://peps.python.org/pep-0562/). A decorator of
    ``typing_extensions``, which takes 8.5 M instructions, comes from a module of ours instead.
    """
    if _TYPING in modules:
        tree.body = [s for old in tree.body for s in _own_deprecation(old)]
    uses = _Uses()
    uses.visit(tree)
    put_off: dict[str, ast.ImportFrom] = {}
    body: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and _source(statement) in modules:
            early = [a for a in statement.names if uses.is_needed_early(a.asname or a.name)]
            for alias in statement.names:
                if alias not in early:
                    one = ast.ImportFrom(statement.module, [alias], statement.level)
                    put_off[alias.asname or alias.name] = ast.copy_location(one, statement)
            if not early:
                continue
            statement.names = early
        body.append(statement)
    if not put_off or "__getattr__" in uses.stored:
        return
    for function in uses.late:
        function.body = _with_imports(function.body, put_off)
    tree.body = [*body, _getter(put_off)]
    ast.fix_missing_locations(tree)


def _with_imports(body: list[ast.stmt], put_off: Mapping[str, ast.ImportFrom]) -> list[ast.stmt]:
    """`body` with each import before the first statement that needs it, in the innermost ``if``."""
    missing = dict(put_off)
    result: list[ast.stmt] = []
    for statement in body:
        read = _names(statement.test if isinstance(statement, ast.If) else statement)
        result += [missing.pop(name) for name in sorted(missing) if name in read]
        if isinstance(statement, ast.If):
            statement.body = _with_imports(statement.body, missing)
            statement.orelse = _with_imports(statement.orelse, missing)
        result.append(statement)
    return result


def _names(tree: ast.AST) -> set[str]:
    """Names in `tree`, less those of annotations, which a function does not evaluate."""
    unread = {
        id(name)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        for name in ast.walk(node.annotation)
    }
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in unread}


def _source(statement: ast.ImportFrom) -> str:
    """The module imported from, as in the source: ``a.b`` or ``.b``."""
    return "." * statement.level + (statement.module or "")


def _getter(put_off: dict[str, ast.ImportFrom]) -> ast.stmt:
    """The module's ``__getattr__``, which imports one name."""
    lines = ["def __getattr__(name):"]
    for name, statement in put_off.items():
        source, (alias,) = _source(statement), statement.names
        lines.append(f"    if name == {name!r}:")
        lines.append(f"        from {source} import {alias.name} as found")
        lines.append("        globals()[name] = found\n        return found")
    # An import makes a module an attribute of its package.
    for source in dict.fromkeys(map(_source, put_off.values())):
        if source.startswith("."):
            lines.append(f"    if name == {source[1:]!r}:")
            lines.append("        from importlib import import_module")
            lines.append(f"        return import_module({source!r}, __name__)")
    lines.append(f"    {_MISSING}")
    return ast.parse("\n".join(lines)).body[0]


def _own_deprecation(statement: ast.stmt) -> list[ast.stmt]:
    """An import of `deprecated` from our module, where there is one: a child may lack it."""
    if not isinstance(statement, ast.ImportFrom) or statement.module != _TYPING:
        return [statement]
    others = [alias for alias in statement.names if alias.name != "deprecated"]
    if len(others) == len(statement.names):
        return [statement]
    (own,) = ast.parse(
        f"try:\n    from {_DEPRECATION} import deprecated\n"
        f"except ImportError:\n    from {_TYPING} import deprecated\n"
    ).body
    rest = [ast.ImportFrom(_TYPING, others, 0)] if others else []
    return [ast.copy_location(new, statement) for new in (own, *rest)]


class _Uses(ast.NodeVisitor):
    """Where names are read: `late`, in which outermost functions, or while the module executes."""

    def __init__(self) -> None:
        self._function: set[str] | None = None
        self._in_class = False
        self._early: set[str] = set()
        self.stored: set[str] = set()
        self.late: list[ast.FunctionDef | ast.AsyncFunctionDef] = []

    def is_needed_early(self, name: str) -> bool:
        return name in self._early or name in self.stored

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.stored.add(node.name)
        for early in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(early)
        outer, self._in_class = self._in_class, True
        for statement in node.body:
            self.visit(statement)
        self._in_class = outer

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.stored.add(node.id)
        elif self._function is None:
            self._early.add(node.id)
        else:
            self._function.add(node.id)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # https://docs.python.org/3/reference/simple_stmts.html#annotated-assignment-statements:
        # in a function, annotations are not evaluated.
        for part in (
            node.target,
            node.value,
            None if self._function is not None else node.annotation,
        ):
            if part is not None:
                self.visit(part)

    def visit_arg(self, node: ast.arg) -> None:
        self.stored.add(node.arg)
        self.generic_visit(node)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if not self._in_class:  # there, it is a method
            self.stored.add(node.name)
        if self._function is not None:
            self.generic_visit(node)
            return
        for early in (*node.decorator_list, node.args):
            self.visit(early)
        self._function, in_class, self._in_class = set(), self._in_class, False
        for statement in node.body:
            self.visit(statement)
        self.late.append(node)
        self._function, self._in_class = None, in_class
