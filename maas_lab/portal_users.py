"""Who has logged in at the portal, for those who may see it."""

from __future__ import annotations

import re

from maas_lab.errors import NoSuchEntry
from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import SYSTEM_USER, User
from maas_lab.refusals import UUID
from maas_lab.tables import Table


def users(rest: PortalRest) -> Table[User]:
    """Return everybody who has logged in so far, in the order of their names; the portal's own user is left out."""
    found = [User.read(row) for row in rest.call("GET", "/admin/users")["users"]]
    return Table(User, sorted((user for user in found if user.id != SYSTEM_USER), key=lambda user: user.name))


def user_id(rest: PortalRest, user: User | str) -> str:
    """Return the portal's id of a user, given as a row of `users`, by name, by email or by id.

    Raises:
        NoSuchEntry: there is none.
    """
    if isinstance(user, User):
        return user.id
    if re.fullmatch(UUID, user):
        return user
    if found := next((one for one in users(rest) if user in (one.name, one.email)), None):
        return found.id
    why = "the portal knows people from their first login on"
    raise NoSuchEntry(f"the portal has no user `{user}`", why, "portal.admin.users() shows them")
