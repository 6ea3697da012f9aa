"""A user's keys and applications at the portal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from maas_lab.amounts import with_stopping_cap
from maas_lab.errors import AlreadyExists, InvalidRequest, NoSuchEntry, UsageError
from maas_lab.keys import ApiKey
from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import KEY_LIMITS, LIMITS, PortalKey
from maas_lab.refusals import UUID
from maas_lab.tables import Table

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Application:
    """What a team builds: a name, and the one key that it calls models with.

    The portal has no such object. This one is a subscription to each of its models, and a key that is named after it
    and says so in its metadata, from where the gateway has it, too.

    Attributes:
        name: of the application and of its key.
        models: the models it may call.
        team: who pays for it: the cost centre that its maker named; None when nobody said.
        key: its key; None in a list, because the portal shows a key only once (`portal.reveal_key(application)`).
        info: what the portal knows about the key.
    """

    name: str
    models: tuple[str, ...]
    team: str | None = field(repr=False)
    key: ApiKey | None = field(repr=False)
    info: PortalKey = field(repr=False)

    @classmethod
    def of(cls, info: PortalKey, key: ApiKey | None = None) -> Application:
        """Return the application that a key belongs to."""
        return cls(info.application or info.name, info.models, info.team, key, info)


Key = PortalKey | Application | ApiKey | str


class Keys:
    """The keys of the user who is logged in.

    Args:
        rest: the portal, with the user's token.
    """

    def __init__(self, rest: PortalRest) -> None:
        self._rest = rest

    def all(self) -> Table[PortalKey]:
        """Return all keys, the newest first."""
        return key_table(self._rest.every_row("/api-keys"))

    def create(
        self,
        name: str,
        models: Sequence[str],
        labels: dict[str, str | None],
        limits: dict[str, Any],
        duration: str | None,
    ) -> ApiKey:
        """Make a key; the portal shows the secret only this once."""
        if isinstance(models, str):
            raise UsageError("`models` is a list of names", "a text is not one", f"models=[{models!r}]")
        asked = {field: value for field, value in limit_body(limits, KEY_LIMITS).items() if value is not None}
        said = {label: value for label, value in labels.items() if value}
        metadata = {"metadata": said} if said else {}
        body = {"name": name, "modelIds": list(models), **asked, **expiry(duration), **metadata}
        made = self._rest.write("POST", "/api-keys", json=body)
        return ApiKey(made["key"], name, made.get("models") or models)

    def find(self, key: Key) -> PortalKey:
        """Return the portal's row of a key: given as that, as an application, as the key itself, by name or by id.

        The portal's own path for one key always fails in LiteMaaS 0.4.0, so this looks through all of them.

        Raises:
            NoSuchEntry: there is none.
            UsageError: there are several.
        """
        if isinstance(key, Application):
            key = key.info
        wanted = key.id if isinstance(key, PortalKey) else key
        rows = [row for row in self.all() if _fits(row, wanted)]
        live = [row for row in rows if row.active] or rows
        if not live:
            what = f"you have no key {key!r}" if isinstance(key, ApiKey) else f"you have no key `{wanted}`"
            raise NoSuchEntry(what, "it was deleted, or it belongs to somebody else", "portal.keys() shows yours")
        if len(live) > 1:
            hint = "take the one you mean out of portal.keys()"
            raise UsageError(f"{len(live)} keys are called `{live[0].name}`", "the portal allows that", hint)
        return live[0]

    def reveal(self, key: Key) -> ApiKey:
        """Return the secret of a key."""
        row = self.find(key)
        return ApiKey(self._rest.write("POST", f"/api-keys/{row.id}/reveal", json={})["key"], row.name, row.models)

    def rotate(self, key: Key) -> ApiKey:
        """Replace the secret of a key."""
        row = self.find(key)
        return ApiKey(self._rest.write("POST", f"/api-keys/{row.id}/rotate", json={})["key"], row.name, row.models)

    def update(self, key: Key, changes: dict[str, Any]) -> PortalKey:
        """Change limits of a key; None takes a limit away.

        LiteMaaS forgets every limit that such a call leaves out (its gateway goes on enforcing it), so all are sent.
        """
        row = self.find(key)
        return self._patch(row, changed_limits(row, changes))

    def block(self, key: Key) -> PortalKey:
        """Refuse all calls of a key, and keep it."""
        row = self.find(key)
        try:
            after = self._patch(row, {"isActive": False})
        except InvalidRequest:
            after = row
        # LiteMaaS has no switch: it overlooks that field.
        return after if after.blocked else self._patch(row, {"maxBudget": 0})

    def unblock(self, key: Key, max_budget: float | None) -> PortalKey:
        """Accept the calls of a key again, up to a budget."""
        row = self.find(key)
        budget = {"maxBudget": max_budget} if max_budget is not None or row.max_budget == 0 else {}
        # Only where the portal has the switch, is a blocked key not live.
        return self._patch(row, budget if row.active else {**budget, "isActive": True})

    def _patch(self, row: PortalKey, changes: dict[str, Any]) -> PortalKey:
        self._rest.write("PATCH", f"/api-keys/{row.id}", json=kept_limits(row) | changes)
        # The answer of that call has neither models nor limits.
        return self.find(row)

    def delete(self, key: Key) -> None:
        """Delete a key; one that is gone already is fine."""
        try:
            row = self.find(key)
            self._rest.write("DELETE", f"/api-keys/{row.id}")
        except NoSuchEntry:
            return


def key_table(rows: Iterable[dict[str, Any]]) -> Table[PortalKey]:
    """Return rows of a listing of keys, the newest first."""
    first = datetime.min.replace(tzinfo=UTC)
    found = [PortalKey.read(row) for row in rows]
    return Table(PortalKey, sorted(found, key=lambda row: row.created_at or first, reverse=True))


def kept_limits(row: PortalKey) -> dict[str, Any]:
    """Return all limits of a key under the portal's names: LiteMaaS forgets those that a change leaves out."""
    kept = {name: getattr(row, name) for name in KEY_LIMITS if getattr(row, name) is not None}
    return limit_body(kept, KEY_LIMITS) | dict(row.per_model)


def changed_limits(row: PortalKey, changes: dict[str, Any]) -> dict[str, Any]:
    """Return changes of a key's limits under the portal's names; None takes one away.

    Raises:
        UsageError: there is no such limit, or it is a `budget_duration` that should go.
    """
    if row.budget_duration and changes.get("budget_duration", "") is None:
        why = "its gateway overlooks the wish to end that"
        raise UsageError("a key's `budget_duration` can only be changed", why, "set a long one, e.g. `yearly`")
    return limit_body(with_stopping_cap(changes, row.spend), KEY_LIMITS)


def limit_body(limits: dict[str, Any], known: dict[str, str] = LIMITS) -> dict[str, Any]:
    """Return limits under the portal's names.

    Raises:
        UsageError: there is no such limit.
    """
    if unknown := next((name for name in limits if name not in known), None):
        raise UsageError(f"there is no limit `{unknown}`", hint=f"there are: {', '.join(known)}")
    return {known[name]: value for name, value in limits.items()}


def expiry(duration: str | None) -> dict[str, str]:
    """Return when a key ends that lives for a duration, as the portal wants it.

    Args:
        duration: e.g. `30s`, `2h`, `7d`, `4w`; None means for ever.

    Raises:
        UsageError: this is not a duration.
    """
    if duration is None:
        return {}
    found = re.fullmatch(r"(\d+)([smhdw])", duration)
    if not found:
        raise UsageError(f"`{duration}` is not a duration", "it is a number and s, m, h, d or w", "e.g. `7d`")
    end = datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})
    return {"expiresAt": end.isoformat(timespec="milliseconds").replace("+00:00", "Z")}


def must_be_new(name: str, applications: Iterable[Application]) -> None:
    """Refuse a second application of a name, which the portal would allow.

    Raises:
        AlreadyExists: there is one.
    """
    if any(one.name == name and one.info.live for one in applications):
        hint = f"portal.rotate_key({name!r}) gives it a new key; portal.delete_application({name!r}) removes it"
        raise AlreadyExists(f"you have an application `{name}` already", "its key would have a twin", hint)


def _fits(row: PortalKey, wanted: ApiKey | str) -> bool:
    if isinstance(wanted, ApiKey):
        begins = bool(row.prefix) and wanted.reveal().startswith(row.prefix)
        return begins and wanted.name in ("", row.name)
    return row.id == wanted if re.fullmatch(UUID, wanted) else row.name == wanted
