"""Say who calls: a name, and the groups that decide about rights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """Somebody who calls.

    Attributes:
        groups: what decides about rights; `system:masters` may do everything.
    """

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    full_name: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return "system:masters" in self.groups


ADMIN = User("admin", "admin", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", "", ("system:unauthenticated",))
