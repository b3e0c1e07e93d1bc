"""Names of the semantic conventions, put into the bytecode of the modules that import them.

A convention is a constant text, and each table of them is a module to load. Inlined, the tables
cost nothing, and an instrumentation of ours has the names of its own release also where the
function brings ``opentelemetry-semantic-conventions`` of another.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from enum import Enum
from importlib import import_module
from types import FunctionType

_CONVENTIONS = "opentelemetry.semconv"
_CONSTANTS = (str, int, float, bool)


def inline_conventions(tree: ast.Module) -> None:
    """Replace what `tree` imports of the conventions by their values; `tree` is changed.

    Constants become assignments, attributes of classes and modules become constants, functions
    become functions of the module. What is used in any other way stays imported. The conventions
    must be importable.
    """
    bound = _stored_names(tree)
    body: list[ast.stmt] = []
    containers: dict[str, object] = {}
    for statement in tree.body:
        if not _imports_conventions(statement):
            body.append(statement)
            continue
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            name = alias.asname or alias.name
            value = _value(str(statement.module), alias.name)
            inlined = None if name in bound else _inlined(name, value)
            if inlined is None:
                containers[name] = value
                inlined = ast.ImportFrom(statement.module, [alias], 0)
            for node in ast.walk(inlined):
                ast.copy_location(node, statement)
            body.append(inlined)
    tree.body = body
    folding = _Fold({name: value for name, value in containers.items() if name not in bound})
    folding.visit(tree)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tree.body = [
        statement
        for statement in tree.body
        if not _imports_conventions(statement)
        or not isinstance(statement, ast.ImportFrom)
        or (statement.names[0].asname or statement.names[0].name) in used
    ] or [ast.Pass()]
    ast.fix_missing_locations(tree)


def _imports_conventions(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.ImportFrom)
        and not statement.level
        and f"{statement.module}.".startswith(f"{_CONVENTIONS}.")
    )


def _stored_names(tree: ast.Module) -> set[str]:
    """Names that the module binds otherwise than by import: they may not mean what is imported."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


def _value(module_name: str, name: str) -> object:
    module = import_module(module_name)
    if hasattr(module, name):
        return getattr(module, name)
    return import_module(f"{module_name}.{name}")


def _inlined(name: str, value: object) -> ast.stmt | None:
    """A statement that binds `name` to `value`; None where there is none."""
    if isinstance(value, _CONSTANTS) and not isinstance(value, Enum):
        return ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value))
    if not isinstance(value, FunctionType):
        return None
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    if not isinstance(function, ast.FunctionDef) or function.decorator_list:
        return None
    function.name = name
    function.returns = None
    for argument in function.args.args:
        argument.annotation = None
    _Fold(value.__globals__, whole=True).visit(function)
    free = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return function if free <= {argument.arg for argument in function.args.args} else None


class _Fold(ast.NodeTransformer):
    """Replaces attributes of the objects in `names` by the constants that they are.

    `whole`: the names themselves, too.
    """

    def __init__(self, names: dict[str, object], *, whole: bool = False) -> None:
        self._names = names
        self._whole = whole

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = self._resolved(node)
        if isinstance(value, _CONSTANTS) and not isinstance(value, Enum):
            return ast.copy_location(ast.Constant(value), node)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self._names.get(node.id)
        if not self._whole or isinstance(value, Enum) or not isinstance(node.ctx, ast.Load):
            return node
        if isinstance(value, _CONSTANTS):
            return ast.copy_location(ast.Constant(value), node)
        return node

    def _resolved(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._resolved(node.value)
            return None if owner is None else getattr(owner, node.attr, None)
        return None
