"""What of a module's source makes no difference to what it does, taken out before it is compiled.

Each of these is read from the file, unmarshalled or executed at every cold start, for nobody:

- docstrings, a seventh of all bytecode;
- annotations of functions, of module variables: for type checkers, and dear where they are
  expressions of ``typing``'s;
- ``if TYPE_CHECKING:`` and functions marked ``@overload``, which are for type checkers alone;
- of the tables of names of the conventions, the enumerations: a span needs the names. Whoever asks
  for an enumeration gets it (https://peps.python.org/pep-0562/);
- the compiling of a private regular expression, which waits for its first use.

The sources in the layer are as they were, lines and all, and a traceback shows them.
"""

from __future__ import annotations

import ast
from typing import TypeVar

from layer_build.late_patterns import put_off

_Function = TypeVar("_Function", ast.FunctionDef, ast.AsyncFunctionDef)
_MISSING = 'raise AttributeError(f"module {__name__!r} has no attribute {name!r}")'


def lean(tree: ast.Module, *, names_only: bool) -> ast.Module:
    """The same module without what nobody needs at run time; `tree` is changed.

    `names_only`: it is a table of names, whose classes come when they are asked for.
    """
    tree = _Lean().visit(tree)
    put_off(tree)
    if names_only:
        tree = _with_late_classes(tree)
    return ast.fix_missing_locations(tree)


class _Lean(ast.NodeTransformer):
    """Takes out what is listed above."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self._without_docstring(node)
        node.body = [_plain(statement) for statement in node.body]
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        # What is annotated here is what NamedTuple, dataclass and TypedDict are made from.
        self._without_docstring(node)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef | ast.Pass:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef | ast.Pass:
        return self._function(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if _name(node.test) == "TYPE_CHECKING":
            return node.orelse or ast.copy_location(ast.Pass(), node)
        return node

    def _function(self, node: _Function) -> _Function | ast.Pass:
        decorators = {_name(decorator) for decorator in node.decorator_list}
        if "overload" in decorators:
            return ast.copy_location(ast.Pass(), node)
        self._without_docstring(node)
        # https://docs.python.org/3/library/functools.html#functools.singledispatch reads them
        if "register" not in decorators:
            node.returns = None
            given: ast.arguments = node.args
            for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
                argument.annotation = None
            for several in (given.vararg, given.kwarg):
                if several is not None:
                    several.annotation = None
        self.generic_visit(node)
        return node

    def _without_docstring(
        self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        if ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            # A body of nothing else keeps a statement, in its place.
            node.body[:1] = [] if len(node.body) > 1 else [ast.copy_location(ast.Pass(), first)]


def _plain(statement: ast.stmt) -> ast.stmt:
    """A module's ``name: annotation = value`` without its annotation."""
    if not isinstance(statement, ast.AnnAssign):
        return statement
    if statement.value is None:
        return ast.copy_location(ast.Pass(), statement)
    plain = ast.Assign(targets=[statement.target], value=statement.value, type_comment=None)
    return ast.copy_location(plain, statement)


def _name(node: ast.expr) -> str:
    """``"c"`` of ``c``, ``a.c`` and ``c(…)``."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _with_late_classes(tree: ast.Module) -> ast.Module:
    """Assignments first; classes, and what they are made with, in a ``__getattr__``."""
    late = (ast.ClassDef, ast.Import, ast.ImportFrom)
    kept = [s for s in tree.body if not isinstance(s, late) and not _is_text(s)]
    deferred = [s for s in tree.body if isinstance(s, late) and not _is_future(s)]
    names = sorted({name for statement in deferred for name in _bound(statement)})
    if not any(isinstance(statement, ast.ClassDef) for statement in deferred):
        return tree
    everything = sorted(
        {name for statement in tree.body for name in _bound(statement) if name[0] != "_"}
    )
    getter = ast.parse(
        f"__all__ = {everything!r}\n"
        "def __getattr__(name):\n"
        f"    if name not in {tuple(names)!r}:\n        {_MISSING}\n"
        f"    global {', '.join(names)}\n"
        "    return globals()[name]\n"
    ).body
    function = getter[1]
    assert isinstance(function, ast.FunctionDef)
    function.body[-1:-1] = deferred
    tree.body = [*kept, *getter]
    return tree


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [(name.asname or name.name).partition(".")[0] for name in statement.names]
    if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return []


def _is_text(statement: ast.stmt) -> bool:
    """The text that stands after each name."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
