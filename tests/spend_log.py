"""The gateway's spend log and its lists of keys, users and teams, as LiteLLM 1.81.0 tells them, with a test's rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from maas_lab.gateway import Gateway
from tests.made_up import MASTER_KEY

Row = dict[str, Any]
BEGUN = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "http://gateway.test"


def booked(number: int, seconds: float = 0, **more: Any) -> Row:
    """A row of an answered call, so many seconds after `BEGUN`."""
    begun = BEGUN + timedelta(seconds=seconds)
    return {
        "request_id": f"call-{number}",
        "call_type": "acompletion",
        "api_key": f"{1:064x}",
        "spend": 6e-06,
        "prompt_tokens": 12,
        "completion_tokens": 6,
        "total_tokens": 18,
        "startTime": stamp(begun),
        "endTime": stamp(begun + timedelta(milliseconds=41)),
        "model": "hosted_vllm/granite",
        "model_group": "granite",
        "user": "",
        "team_id": "",
        "cache_hit": "None",
        "cache_key": "Cache OFF",
        "status": "success",
        "metadata": {"user_api_key_alias": None, "error_information": None},
        **more,
    }


def rejected(number: int, seconds: float = 0, error: str = "BudgetExceededError", code: str = "", **more: Any) -> Row:
    """A row of a refused call."""
    told = {"user_api_key_alias": None, "error_information": {"error_class": error, "error_code": code}}
    spent = {"spend": 0.0, "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    row = booked(number, seconds, status="failure", call_type="", model="granite", model_group="", metadata=told)
    return row | spent | {"endTime": row["startTime"], "cache_hit": "False", **more}


def key(number: int, **more: Any) -> Row:
    """A row of `/key/list`."""
    named = {"token": f"{number:064x}", "key_alias": f"key {number}", "metadata": {"application": f"app {number}"}}
    return named | {"user_id": None, "team_id": None, "created_at": stamp(BEGUN), **more}


def stamp(when: datetime) -> str:
    """Write a time as LiteLLM does: kept to the millisecond, told without a fraction where it is a whole second."""
    kept = when.astimezone(UTC).replace(microsecond=when.microsecond // 1000 * 1000)
    return kept.isoformat(timespec="microseconds" if kept.microsecond else "seconds").replace("+00:00", "Z")


def moment(row: Row) -> datetime:
    return datetime.fromisoformat(row["startTime"])


class SpendLog:
    """What the endpoints answer; `between` is called between the count of rows and the rows, as others write then.

    Attributes:
        asked: the parameters of every call for spend rows.
    """

    def __init__(self, rows: Iterable[Row] = (), **lists: list[Row]) -> None:
        self.rows, self.lists, self.asked = list(rows), lists, []
        self.between: Callable[[SpendLog], object] = lambda log: None
        self.after: Callable[[SpendLog], object] = lambda log: None
        self.clock: Callable[[], datetime] | None = None
        # Where rows tie, PostgreSQL promises no order: another one at every call.
        self._ties = itertools.count()

    @property
    def gateway(self) -> Gateway:
        return Gateway(URL, MASTER_KEY, transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        params, path = request.url.params, request.url.path
        if path == "/spend/logs/v2":
            headers = {"date": self.clock().strftime("%a, %d %b %Y %H:%M:%S GMT")} if self.clock else {}
            return httpx.Response(200, json=self.page(params), headers=headers)
        if path == "/key/list":
            rows = self.lists.get("deleted" if params.get("status") == "deleted" else "keys", [])
            return httpx.Response(200, json=cut(rows, params, "keys", "total_count", "size"))
        if path == "/user/list":
            return httpx.Response(200, json=cut(self.lists.get("users", []), params, "users", "total", "page_size"))
        assert path == "/team/list", path
        return httpx.Response(200, json=self.lists.get("teams", []))

    def page(self, params: httpx.QueryParams) -> Row:
        assert int(params["page_size"]) <= 100, "LiteLLM refuses more"
        self.asked.append(dict(params))
        total = len(self._found(params))
        self.between(self)
        told = cut(self._found(params), params, "data", "total", "page_size")
        self.after(self)
        size = int(params["page_size"])
        return told | {"total": total, "total_pages": -(-total // size)}

    def _found(self, params: httpx.QueryParams) -> list[Row]:
        first, last = (datetime.fromisoformat(f"{params[name]}+00:00") for name in ("start_date", "end_date"))
        only = {name: params[name] for name in ("api_key", "request_id") if name in params}
        rows = [row for row in self.rows if first <= moment(row) <= last and only.items() <= row.items()]
        turn = next(self._ties)
        rows.sort(key=lambda row: hash((row["request_id"], turn)))
        return sorted(rows, key=moment, reverse=True)


def cut(rows: list[Row], params: httpx.QueryParams, name: str, total: str, size: str) -> Row:
    """Return a page of a listing."""
    number, per_page = int(params["page"]), int(params[size])
    shown = rows[(number - 1) * per_page : number * per_page]
    return {name: shown, total: len(rows), "total_pages": -(-len(rows) // per_page)}
