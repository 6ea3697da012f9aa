"""The portal's own account of the last hours; LiteMaaS itself counts whole days only, and has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import moment, number
from maas_lab.tables import Table


@dataclass(frozen=True)
class Hour:
    """The calls of one model in one hour.

    Attributes:
        model: its name in the catalogue; for refused calls what was asked for.
        requests: calls, the refused ones too.
        refused: those among them that got no answer.
        tokens: of prompts and answers.
        cost: dollars.
        begins: when the hour began, UTC.
    """

    model: str
    requests: int
    refused: int
    tokens: int
    cost: float
    begins: datetime = field(repr=False)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Hour:
        """Read a row of `/usage/hours` or `/admin/usage/hours`."""
        refused, tokens = int(row["rejected"]), int(number(row["tokens"]) or 0)
        requests, cost = int(row["requests"]) + refused, number(row["cost"]) or 0.0
        return cls(row["model"] or "", requests, refused, tokens, cost, moment(row["hour"]))


def hours(rest: PortalRest, path: str, count: int) -> Table[Hour]:
    """Return the calls of the last `count` hours, counted back from now, by hour and model, the oldest first.

    Raises:
        NoSuchEntry: this portal knows only days.
    """
    return Table(Hour, [Hour.read(row) for row in rest.call("GET", path, params={"hours": count})["data"]])
