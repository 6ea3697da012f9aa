"""Read what Applications tell of themselves: how they stand, whether a commit has arrived, what differs from Git."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from maas_lab.applications import REFRESH
from maas_lab.errors import Rejected
from maas_lab.objects import plain

Object = Mapping[str, Any]
# In Argo CD's words: the project is not there, or its sourceNamespaces do not list the Application's namespace.
_UNADMITTED = re.compile("referencing project .* which does not exist|is not allowed to use project ")


@dataclass(frozen=True)
class Followed:
    """How one Application stands."""

    name: str
    sync: str
    health: str
    revision: str
    message: str


@dataclass(frozen=True)
class Deployed:
    """One deployment of an Application's past."""

    number: int
    revision: str
    subject: str
    by: str
    at: str = field(repr=False)


def followed(app: Object) -> Followed:
    """Return how an Application stands."""
    status = app.get("status") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    wrong = [f"{one['type']}: {one['message']}" for one in status.get("conditions") or []]
    message = wrong[0] if wrong else (status.get("operationState") or {}).get("message", "")
    revision = sync.get("revision", "")[:7]
    return Followed(app["metadata"]["name"], sync.get("status", ""), health.get("status", ""), revision, message)


def deployments(app: Object, subject: Callable[[str], str]) -> list[Deployed]:
    """Return an Application's history, the oldest first.

    Args:
        app: the Application.
        subject: tells the first line of a commit's message.
    """
    return [
        Deployed(
            one["id"],
            one.get("revision", "")[:7],
            subject(one.get("revision", "")),
            "automatic" if (one.get("initiatedBy") or {}).get("automated") else "by hand",
            one["deployedAt"],
        )
        for one in (app.get("status") or {}).get("history") or []
    ]


def is_seen(app: Object) -> bool:
    """Tell whether the cluster has looked at an Application since it was last asked to."""
    return REFRESH not in (app["metadata"].get("annotations") or {}) and "sync" in (app.get("status") or {})


def unadmitted(app: Object) -> str:
    """Return what the cluster says of an Application that no project admits; empty where one does, or nobody knows."""
    told = [one["message"] for one in (app.get("status") or {}).get("conditions") or []] if is_seen(app) else []
    return next(filter(_UNADMITTED.search, told), "")


def arrived(app: Object, revision: str) -> bool:
    """Tell whether an Application is at a commit.

    Raises:
        Rejected: it will not get there.
    """
    if REFRESH in (app["metadata"].get("annotations") or {}):  # what it tells is of before
        return False
    status, name = app.get("status") or {}, app["metadata"]["name"]
    sync, state = status.get("sync") or {}, status.get("operationState") or {}
    hint = "mend it and commit(...), or take it back with revert()"
    for one in status.get("conditions") or []:
        if one["type"] == "InvalidSpecError" or (one["type"].endswith("Error") and revision[:7] in one["message"]):
            raise Rejected(f"{name} cannot take commit {revision[:7]}", one["message"], hint)
    failed = state.get("phase") in ("Failed", "Error") or (state.get("phase") == "Running" and state.get("retryCount"))
    if failed and (state.get("syncResult") or {}).get("revision") == revision:
        raise Rejected(f"{name} could not sync commit {revision[:7]}", state.get("message", ""), hint)
    is_at = sync.get("revision") == revision and sync.get("status") == "Synced"
    is_well = (status.get("health") or {}).get("status") == "Healthy"
    return is_at and is_well and state.get("phase") != "Running"


def changed(wanted: Object, live: Object) -> list[str]:
    """Return the lines in which a live object differs from a manifest, as far as that speaks of it."""
    before, after = _lines(_as_in(wanted, plain(live))) if live else [], _lines(wanted)
    found = list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
    return [line for line in found if not line.startswith("@@")]


def _as_in(wanted: Any, live: Any) -> Any:
    """Return of a live object what a manifest speaks of."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return {name: _as_in(one, live[name]) for name, one in wanted.items() if name in live}
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [_as_in(*pair) for pair in zip(wanted, live, strict=True)]
    return live


def _lines(one: Any) -> list[str]:
    return yaml.safe_dump(plain(one), sort_keys=False, allow_unicode=True, width=1000).splitlines()
