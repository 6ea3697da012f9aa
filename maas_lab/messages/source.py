"""The package's own source, parsed: which function a node is in, who calls it, and what a name was given."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

PACKAGE = Path(__file__).parents[1]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Value: TypeAlias = tuple[ast.expr, tuple[int, ...]]
"""What a name is given: an expression, and where in its tuples the value stands; empty for the expression itself."""
EACH = -1  # the place of a value that a loop goes through


class Source:
    """The parsed modules of a package.

    Args:
        package: its folder.

    Attributes:
        trees: of the modules, by their paths in the package.
        calls: by the last name of what is called.
    """

    def __init__(self, package: Path = PACKAGE) -> None:
        files = sorted(package.rglob("*.py"))
        self.trees = {file.relative_to(package).as_posix(): ast.parse(file.read_text("utf-8")) for file in files}
        self.calls: dict[str, list[ast.Call]] = {}
        self._names = {tree: name for name, tree in self.trees.items()}
        self._above: dict[ast.AST, ast.AST] = {}
        self._block: dict[ast.AST, int] = {}
        self._nodes = list(itertools.chain(*map(ast.walk, self.trees.values())))
        for node in self._nodes:
            for _, part in ast.iter_fields(node):
                below = part if isinstance(part, list) else [part]
                self._above |= dict.fromkeys((one for one in below if isinstance(one, ast.AST)), node)
                self._block |= dict.fromkeys(below, id(part)) if isinstance(part, list) else {}
            if isinstance(node, ast.Call):
                self.calls.setdefault(last_name(node.func), []).append(node)
        functions = [node for node in reversed(self._nodes) if isinstance(node, FUNCTIONS)]
        self._defined = {(self.module(node), node.name): node for node in functions}
        names = (node for node in self._nodes if isinstance(node, ast.Name))
        passed = (node for node in names if getattr(self._above[node], "func", None) is not node)
        self._passed = {(self.module(node), node.id) for node in passed}
        self._imports = {name: set(self._imported(tree)) for name, tree in self.trees.items()}
        self._importers: dict[tuple[str, str], set[str]] = {}
        for node in (node for node in self._nodes if isinstance(node, ast.ImportFrom)):
            for home, alias in itertools.product(self._imported(node), node.names):
                self._importers.setdefault((home, alias.name), set()).add(self.module(node))

    def module(self, node: ast.AST) -> str:
        """Return the module that a node is in, e.g. `local/home.py`."""
        return self._names[list(self._chain(node))[-1]]

    def functions(self, node: ast.AST) -> list[Function]:
        """Return the functions around a node, the inner one first."""
        return [one for one in self._chain(node) if isinstance(one, FUNCTIONS)]

    def subclasses(self, base: str) -> set[str]:
        """Return the names of a class and of all that are made from it."""
        classes = [node for node in self._nodes if isinstance(node, ast.ClassDef)]
        known = {base}
        while more := {one.name for one in classes if {last_name(b) for b in one.bases} & known} - known:
            known |= more
        return known

    def callers(self, function: Function) -> list[ast.Call]:
        """Return the calls of a function: in its own module and, where it is public, in those that import from it."""
        home, most = self.module(function), len(parameters(function))
        around = self._above[function]
        private = function.name.startswith("_") or (isinstance(around, ast.ClassDef) and around.name.startswith("_"))
        return [
            call
            for call in self.calls.get(function.name, [])
            if self.module(call) == home or (not private and home in self._imports[self.module(call)])
            # Another class may have a method of this name, but hardly with the same parameters.
            if most - len(defaults(function)) <= len(call.args) + len(call.keywords) <= most
        ]

    def is_passed_on(self, function: Function) -> bool:
        """Tell whether a function is given to others, which may call it with whatever they have."""
        home, is_method = self.module(function), isinstance(self._above[function], ast.ClassDef)
        knows = self._importers.get((home, function.name), set())
        return not is_method and any((module, function.name) in self._passed for module in {home, *knows})

    def called(self, call: ast.Call) -> Function | None:
        """Return the function of the same module that a call names; None for all others."""
        named = isinstance(call.func, ast.Name) or last_name(getattr(call.func, "value", None)) == "self"
        return self._defined.get((self.module(call), last_name(call.func))) if named else None

    def constant(self, module: str, name: str) -> ast.expr | None:
        """Return what a module gives to a name at its top, also where the name was imported."""
        tree = self.trees[module]
        if values := [value for node in tree.body for value, places in _given(node, name) if not places]:
            return values[-1]
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
                homes = [home for home in self._imported(node) if home != module]
                return self.constant(homes[0], name) if homes else None
        return None

    def values(self, name: ast.Name, scope: Function) -> list[Value]:
        """Return what a function may have given to a name before it uses it there."""
        found = [(node, value) for node in _assignments(scope) for value in _given(node, name.id)]
        before = [(node, value) for node, value in found if node.lineno <= name.lineno]
        blocks = {self._block.get(one) for one in self._chain(name)}
        # A statement in a block around the use has always run, and what came before it does not matter any more.
        sure = max((node.lineno for node, _ in before if self._block.get(node) in blocks - {None}), default=0)
        return [value for node, value in before or found if node.lineno >= sure]

    def _chain(self, node: ast.AST) -> Iterator[ast.AST]:
        yield node
        while above := self._above.get(node):
            yield above
            node = above

    def _imported(self, tree: ast.AST) -> Iterator[str]:
        """Find the modules of this package that are imported anywhere in a tree."""
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    path = "/".join(name.split(".")[1:])
                    yield from (file for file in (f"{path}.py", f"{path}/__init__.py") if file in self.trees)


def last_name(node: ast.AST | None) -> str:
    """Return the name at the end of `a.b.name`; empty for what has none."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@functools.cache
def parameters(function: Function) -> dict[str, str]:
    """Return a function's parameters and how they are annotated, without `self`."""
    told = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {one.arg: ast.unparse(one.annotation) if one.annotation else "" for one in told if one.arg != "self"}


@functools.cache
def defaults(function: Function) -> dict[str, ast.expr]:
    """Return the values of parameters that a call may leave out."""
    told = function.args
    ordered = reversed([one.arg for one in (*told.posonlyargs, *told.args)])
    values = dict(zip(ordered, reversed(told.defaults), strict=False))
    keywords = zip(told.kwonlyargs, told.kw_defaults, strict=True)
    return values | {one.arg: value for one, value in keywords if value}


@functools.cache
def _assignments(scope: Function) -> list[ast.AST]:
    return [node for node in ast.walk(scope) if isinstance(node, ast.For | ast.Assign | ast.AnnAssign | ast.NamedExpr)]


def _given(node: ast.AST, name: str) -> Iterator[Value]:
    """Find what a statement, or a part of an expression, gives to a name."""
    if isinstance(node, ast.For):
        pairs = [(node.target, node.iter, (EACH,))]
    elif isinstance(node, ast.Assign):
        pairs = [(target, node.value, ()) for target in node.targets]
    else:
        pairs = [(node.target, node.value, ())] if isinstance(node, ast.AnnAssign | ast.NamedExpr) else []
    for target, value, first in pairs:
        places = _places(target, name)
        if places is not None and value is not None:
            yield value, (*first, *places)


def _places(target: ast.expr, name: str) -> tuple[int, ...] | None:
    if isinstance(target, ast.Name) and target.id == name:
        return ()
    for number, part in enumerate(target.elts if isinstance(target, ast.Tuple | ast.List) else ()):
        if (places := _places(part, name)) is not None:
            return (number, *places)
    return None
