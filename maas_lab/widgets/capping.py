"""A cap as the gateway names it, set through the portal, which names some of them differently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from maas_lab.cap_shares import Cap
from maas_lab.errors import NoSuchEntry
from maas_lab.gateway import Gateway
from maas_lab.portal_admin import Admin
from maas_lab.portal_rows import PortalKey


def set_cap(admin: Admin, gateway: Gateway, cap: Cap, limits: dict[str, Any]) -> None:
    """Set limits of what a cap is of.

    Args:
        admin: the portal, as its administrators see it.
        gateway: says who owns a key.
        cap: of `caps.state(gateway)`.
        limits: of `cap_user`, `cap_application` or `cap_key`.

    Raises:
        NoSuchEntry: the portal does not know it.
        PortalError: the portal refused, failed, or did not answer.
    """
    if cap.kind == "user":
        admin.cap_user(cap.name, **limits)
    elif cap.kind == "application":
        admin.cap_application(cap.name, **{"max_budget": cap.cap, **limits})
    else:
        listed = gateway.keys()
        owner = next((key.user for key in listed if key.name == cap.name), None)
        admin.cap_key(owner, _portal_key(admin.keys(owner) if owner else (), cap.name), **limits)


def _portal_key(keys: Iterable[PortalKey], name: str) -> PortalKey:
    """Return the portal's row of a key: the gateway's name of it ends with a part that makes it unique."""
    live = [key for key in keys if key.live]
    same = [key for key in live if name == f"{key.name}_{key.id[:8]}"]
    same = same or [key for key in live if key.name in (name, name.rpartition("_")[0])]
    if len(same) == 1:
        return same[0]
    why = f"{len(same)} keys of their owner are called like it" if same else "it was made at the gateway itself"
    raise NoSuchEntry(
        f"the portal cannot tell which key `{name}` is", why, "lab.gateway.update_key(key, max_budget=...)"
    )
