"""Whose key it was: what the gateway knows of keys, users and teams, for rows that hold their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from maas_lab import ledger
from maas_lab.rest import Rest


class KeyLabel(NamedTuple):
    """What a key says of the calls made with it.

    Attributes:
        name: of the key; None when it has none.
        application: what it is used for.
        user: the owner's id.
        team_id: of its LiteLLM team.
        team: the team that its metadata names.
    """

    name: str | None
    application: str | None
    user: str | None
    team_id: str | None
    team: str | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> KeyLabel:
        """Read a row of `/key/list`."""
        told = row.get("metadata") or {}
        ids = row.get("user_id"), row.get("team_id")
        return cls(*map(_text, (row.get("key_alias"), told.get("application"), *ids, told.get("team"))))


NOBODY = KeyLabel(None, None, None, None, None)


@dataclass(frozen=True)
class Labels:
    """Keys, users and teams of a gateway.

    Attributes:
        keys: by hash; those that were deleted, too, because what they spent is still to be paid.
        users: names by id.
        teams: names by id.
    """

    keys: Mapping[str, KeyLabel]
    users: Mapping[str, str]
    teams: Mapping[str, str]

    @classmethod
    def read(cls, rest: Rest) -> Labels:
        """Ask the gateway.

        Raises:
            GatewayError: it refused, failed, or did not answer.
        """
        found = [*_keys(rest, status="deleted"), *_keys(rest)]
        users = rest.every_row("/user/list", {}, rows="users", total="total", size="page_size", identity="user_id")
        teams = rest.call("GET", "/team/list")
        return cls(
            keys={row["token"]: KeyLabel.read(row) for row in found},
            users=_names((one["user_id"], one.get("user_alias") or one.get("user_email")) for one in users),
            teams=_names((one["team_id"], one.get("team_alias")) for one in teams),
        )

    def key(self, key_hash: str) -> KeyLabel:
        """Return what is known of a key; nothing, where the gateway never had it."""
        return self.keys.get(key_hash, NOBODY)


def _keys(rest: Rest, **filters: str) -> list[dict[str, Any]]:
    """Return the rows of keys, the oldest first, so that the latest of a hash counts."""
    return sorted(ledger.key_rows(rest, **filters), key=lambda row: row.get("created_at") or "")


def _names(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    return {key: name for key, name in pairs if name}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
