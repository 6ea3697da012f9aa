"""Rows that print as a table: what a cluster's lists look like in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import TypeVar

from maas_lab.kinds import Ref

Row = TypeVar("Row")
_LEFT = ' style="text-align: left"'  # Jupyter sets tables to the right, as for numbers


class Table(list[Row]):
    """A list of rows of one kind; what it prints holds no age and no id, so it is the same in every run."""

    def __init__(self, kind: type[Row], rows: Sequence[Row] = ()) -> None:
        super().__init__(rows)
        self._columns = [field.name for field in fields(kind) if field.repr]

    def __repr__(self) -> str:
        if not self:
            return "(none)"
        lines = [[name.upper().replace("_", " ") for name in self._columns], *self._cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        if not self:
            return "<p>(none)</p>"
        head = "".join(f"<th{_LEFT}>{escape(name.replace('_', ' '))}</th>" for name in self._columns)
        rows = ("".join(f"<td{_LEFT}>{escape(cell)}</td>" for cell in line) for line in self._cells())
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _cells(self) -> list[list[str]]:
        return [[_cell(getattr(row, name)) for name in self._columns] for row in self]


class Text(str):
    """A text that a notebook shows as it is, with its lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Bytes(int):
    """A number of bytes that prints as people read it, e.g. `372 MB`."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self / 1e6:,.0f} MB"


@dataclass(frozen=True)
class Change:
    """What became of one object at an apply or a delete.

    Attributes:
        kind: of the object.
        name: of the object.
        namespace: where it is; empty for objects of the whole cluster.
        action: `created`, `configured`, `unchanged`, `deleted` or `absent`.
    """

    kind: str
    name: str
    namespace: str
    action: str

    @classmethod
    def of(cls, place: Ref, action: str) -> Change:
        """Return what became of the object at a place."""
        return cls(place.kind.name, place.name, place.namespace, action)


@dataclass(frozen=True)
class PodRow:
    """A pod in one line.

    Attributes:
        name: of the pod.
        ready: containers that are ready, of all, e.g. `1/1`.
        phase: `Pending`, `Running`, `Succeeded`, `Failed`, or `Terminating` while it is deleted.
        restarts: of all containers together.
        reason: why it is not ready, e.g. `ErrImagePull`; empty when all is well.
    """

    name: str
    ready: str
    phase: str
    restarts: int
    reason: str


@dataclass(frozen=True)
class PodUsage:
    """What a pod uses now.

    Attributes:
        name: of the pod.
        memory: bytes.
        cores: CPU cores that were busy, the mean of the last seconds.
    """

    name: str
    memory: Bytes
    cores: float


@dataclass(frozen=True)
class EventRow:
    """Something that happened to an object.

    Attributes:
        type: `Normal` or `Warning`.
        reason: one word, e.g. `FailedScheduling`.
        object: kind/name of what it happened to.
        count: how often.
        message: in the words of whoever reports it.
    """

    type: str
    reason: str
    object: str
    count: int
    message: str


@dataclass(frozen=True)
class Permission:
    """Whether the user may do something.

    Attributes:
        verb: e.g. `create`.
        resource: the plural with its API group, e.g. `deployments.apps`.
        namespace: where; empty means the whole cluster.
        allowed: the cluster's own answer.
        ask: the command an administrator runs to give a missing right; empty when nothing is missing.
    """

    verb: str
    resource: str
    namespace: str
    allowed: bool
    ask: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what.
        ok: whether all is well.
        seen: what was found.
        hint: what to do, where something is to be done.
    """

    topic: str
    ok: bool
    seen: str
    hint: str = ""


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return " ".join(text.split())
