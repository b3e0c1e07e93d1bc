"""Regular expressions of a module that are compiled when they are used, not when it is imported.

Those of a header that hardly any request has are 3 M instructions of each import of the API.
"""

from __future__ import annotations

import ast


def put_off(tree: ast.Module) -> None:
    """Compile a module's ``_NAME = re.compile(…)`` when ``_NAME.method`` is first used.

    The name becomes a function, ``_NAME().method``. Only where this is all that happens to it, and
    only inside functions.
    """
    patterns = {name: s for s in tree.body if isinstance(s, ast.Assign) and (name := _pattern(s))}
    if not patterns:
        return
    uses = _Uses(set(patterns))
    uses.visit(tree)
    for name, statement in patterns.items():
        if name in uses.otherwise or not uses.methods.get(name):
            continue
        compiled = ast.unparse(statement.value)
        (function,) = ast.parse(
            f"def {name}(found=[]):\n"
            f"    if not found:\n        found.append({compiled})\n"
            "    return found[0]\n"
        ).body
        tree.body[tree.body.index(statement)] = ast.copy_location(function, statement)
        for attribute in uses.methods[name]:
            attribute.value = ast.copy_location(ast.Call(attribute.value, [], []), attribute.value)


def _pattern(statement: ast.Assign) -> str:
    """The private name that a pattern is assigned to, or ""."""
    (target, *others), value = statement.targets, statement.value
    if others or not isinstance(target, ast.Name) or not target.id.startswith("_"):
        return ""
    if not isinstance(value, ast.Call) or ast.unparse(value.func) != "re.compile":
        return ""
    return target.id


class _Uses(ast.NodeVisitor):
    """How names are used: `methods`, as in ``_NAME.match`` in a function, and `otherwise`."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._depth = 0
        self._stored: set[str] = set()
        self.methods: dict[str, list[ast.Attribute]] = {}
        self.otherwise: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        if name in self._names and self._depth:
            self.methods.setdefault(name, []).append(node)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id not in self._names:
            return
        if not isinstance(node.ctx, ast.Store) or node.id in self._stored:
            self.otherwise.add(node.id)
        self._stored.add(node.id)
