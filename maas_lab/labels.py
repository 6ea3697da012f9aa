"""Whose key it was: what the gateway knows of keys, users and teams, for rows that hold their ids."""

from __future__ import annotations

from collections.abc import Mapping
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
        teams = rest.call("GET", "/team/list")
        return cls(
            keys={one: KeyLabel.read(row) for one, row in ledger.known_keys(rest).items()},
            users={user.id: user.name for user in ledger.users(rest)},
            teams={one["team_id"]: one["team_alias"] for one in teams if one.get("team_alias")},
        )

    def key(self, key_hash: str) -> KeyLabel:
        """Return what is known of a key; nothing, where the gateway never had it."""
        return self.keys.get(key_hash, NOBODY)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
