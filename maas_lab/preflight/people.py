"""Who looks, and what of the course they may do: the cluster's own answers, persona by persona."""

from __future__ import annotations

from collections.abc import Sequence

from maas_lab import personas
from maas_lab.preflight.room import Room
from maas_lab.preflight.rows import FAIL, OK, Row
from maas_lab.tables import Permission


def rights(room: Room, persona: str) -> list[Row]:
    """Ask the cluster what the connected user may do of a persona's part."""
    found = personas.rights(room.cluster, room.namespace, [persona])
    if not found.missing:
        count = sum(len(row.permissions) for row in found)
        return [Row("rights", persona, OK, f"{found.user} has all {count}")]
    return [Row("rights", persona, FAIL, f"{found.user} lacks: {_told(found.missing)}", _commands(found.missing))]


def _told(missing: Sequence[Permission]) -> str:
    """Return the missing rights, each verb and kind once: they are the same in several namespaces."""
    return ", ".join(dict.fromkeys(f"{one.verb} {one.resource}" for one in missing))


def _commands(missing: Sequence[Permission]) -> str:
    """Return one command for each namespace, the one that gives most: whoever may edit may view."""
    places = dict.fromkeys(one.namespace for one in missing)
    return "\n".join(min(one.ask for one in missing if one.namespace == place) for place in places)
