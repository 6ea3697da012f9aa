"""The texts that an expression may have, with `…` where only a run can tell."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from maas_lab.messages.source import EACH, Function, Source, defaults, last_name, parameters

HOLE = "…"
_HOLES = re.compile(rf"{HOLE}(?:[.\[]?{HOLE}\]?)+")
MANY = 6  # more alternatives than these in the middle of a text are a hole
Given: TypeAlias = Mapping[tuple[Function, str], ast.expr | None]
"""What calls give for parameters; None is what nobody can know."""


class Asked(Exception):
    """A text depends on who calls this function."""

    def __init__(self, function: Function) -> None:
        super().__init__(function.name)
        self.function = function


def bound(function: Function, call: ast.Call | None, given: Given) -> Given:
    """Return what is given, and what a call gives for a function's parameters; without a call, nobody knows those."""
    names = dict.fromkeys(parameters(function)) | defaults(function)
    if call:
        names |= dict(zip(parameters(function), call.args, strict=False))
        names |= {one.arg: one.value for one in call.keywords if one.arg}
    return {**given, **{(function, name): value for name, value in names.items()}}


class Texts:
    """Reads expressions of a source.

    Args:
        source: where they are.
        given: for the parameters of functions around them.
    """

    def __init__(self, source: Source, given: Given) -> None:
        self._source, self._given = source, given
        self._busy: list[ast.AST] = []

    def of(self, node: ast.AST | None) -> list[str]:
        """Return the texts of an expression, each once.

        Raises:
            Asked: they depend on a function's caller.
        """
        reader = getattr(self, f"_{type(node).__name__.lower()}", None)
        if reader is None or node in self._busy:
            return [HOLE]
        self._busy.append(node)
        try:
            return list(dict.fromkeys(reader(node))) or [HOLE]
        finally:
            self._busy.pop()

    def _all(self, nodes: Iterable[ast.AST | None]) -> list[str]:
        return [text for node in nodes for text in self.of(node)]

    def _constant(self, node: ast.Constant) -> list[str]:
        return ["" if node.value is None else str(node.value)]

    def _joinedstr(self, node: ast.JoinedStr) -> list[str]:
        parts = [self.of(part) for part in node.values]
        for before, part in itertools.pairwise(parts):
            if before[-1].endswith("`"):
                # A name that somebody in the package gives is an example of what others can give.
                part[:] = [text if text.isupper() else HOLE for text in part]
        return _products(parts)

    def _formattedvalue(self, node: ast.FormattedValue) -> list[str]:
        found = [HOLE] if node.format_spec or node.conversion > 0 else self.of(node.value)
        return found if len(found) <= MANY else [HOLE]

    def _ifexp(self, node: ast.IfExp) -> list[str]:
        return self._all([node.body, node.orelse])

    def _boolop(self, node: ast.BoolOp) -> list[str]:
        return self._all(node.values)

    def _binop(self, node: ast.BinOp) -> list[str]:
        parts = (node.left, node.right)
        numbers = any(isinstance(one, ast.Constant) and not isinstance(one.value, str) for one in parts)
        return [HOLE] if numbers or not isinstance(node.op, ast.Add) else _products([self.of(one) for one in parts])

    def _subscript(self, node: ast.Subscript) -> list[str]:
        return self._members(node.value)

    def _call(self, node: ast.Call) -> list[str]:
        name, arguments = last_name(node.func), node.args
        if isinstance(node.func, ast.Attribute) and name == "get" and len(arguments) == 2:
            return [*self._members(node.func.value), *self.of(arguments[1])]
        if name == "next":
            return [HOLE, *(text for text in self._all(arguments[1:]) if text)]
        return self._returned(node, ())

    def _name(self, node: ast.Name) -> list[str]:
        for scope in self._source.functions(node):
            if values := self._source.values(node, scope):
                return [text for value, places in values for text in self._at(value, places)]
            if (scope, node.id) in self._given:
                return self.of(self._given[scope, node.id])
            if node.id in parameters(scope):
                if "str" in parameters(scope)[node.id]:
                    raise Asked(scope)
                return [HOLE]
        return self.of(self._source.constant(self._source.module(node), node.id))

    def _at(self, value: ast.expr | None, places: tuple[int, ...]) -> list[str]:
        """Return the texts at a place in a tuple."""
        if not places:
            return self.of(value)
        if isinstance(value, ast.IfExp):
            return [text for one in (value.body, value.orelse) for text in self._at(one, places)]
        if isinstance(value, ast.Tuple | ast.List) and places[0] == EACH:
            return [text for one in value.elts for text in self._at(one, places[1:])]
        if isinstance(value, ast.Tuple) and places[0] < len(value.elts):
            return self._at(value.elts[places[0]], places[1:])
        return self._returned(value, places) if isinstance(value, ast.Call) else [HOLE]

    def _returned(self, call: ast.Call, places: tuple[int, ...]) -> list[str]:
        """Return the texts of what a function of the same module returns."""
        function = self._source.called(call)
        if function is None or function in self._busy:
            return [HOLE]
        inside = Texts(self._source, bound(function, call, self._given))
        inside._busy = [*self._busy, function]
        returned = sorted(
            (one for one in ast.walk(function) if isinstance(one, ast.Return)), key=lambda one: one.lineno
        )
        return [text for one in returned for text in inside._at(one.value, places)]

    def _members(self, node: ast.expr) -> list[str]:
        """Return the texts in a constant dictionary."""
        found = self._source.constant(self._source.module(node), node.id) if isinstance(node, ast.Name) else node
        return self._all(found.values) if isinstance(found, ast.Dict) else [HOLE]


def _products(parts: list[list[str]]) -> list[str]:
    """Return every way to join one of each; holes beside each other, and paths such as `….…[…]`, are one."""
    joined = ("".join(one) for one in itertools.islice(itertools.product(*parts), MANY**2))
    return [_HOLES.sub(HOLE, text) for text in joined]
