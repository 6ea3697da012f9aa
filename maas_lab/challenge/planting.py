"""Plant the six faults. Reading on would spoil the challenge."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from maas_lab import wait
from maas_lab.challenge import building
from maas_lab.challenge.tickets import GATEWAY, NEW, NIGHT, SETTING, TRANSLATION, TRIAL, Offer, Plan
from maas_lab.errors import BudgetExceeded
from maas_lab.keys import ApiKey

if TYPE_CHECKING:
    from maas_lab.lab import Lab


def plant(lab: Lab, platform: Lab, plan: Plan, offers: Mapping[str, Offer], cap: float) -> None:
    """Plant all faults but the runaway, which is a loop; planting twice is the same as once.

    Args:
        lab: whose overlays the platform was made from.
        platform: a healthy one.
        plan: what was drawn.
        offers: the price list by the end of the name.
        cap: dollars that the translation desk may spend.
    """
    objects = building.infrastructure(lab, platform.namespace)
    own = next(one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Service", GATEWAY))
    changed = friday(building.gateway_of(objects), plan.port)
    platform.cluster.apply([building.door(own, plan.label), changed])
    rename(platform, offers[NIGHT], plan.alias)
    building.offered(platform, offers[TRIAL], offers[TRIAL].name, ApiKey(f"sk-{secrets.token_hex(24)}"))
    use_up(platform, cap)


def friday(deployment: Mapping[str, Any], port: int) -> dict[str, Any]:
    """Return the gateway with the change of Friday, and with what slipped in beside it. Pure."""
    changed = copy.deepcopy(dict(deployment))
    [container] = changed["spec"]["template"]["spec"]["containers"]
    next(one for one in container["env"] if one["name"] == SETTING)["value"] = NEW
    container["readinessProbe"]["httpGet"]["port"] = port
    return changed


def rename(platform: Lab, offer: Offer, alias: str) -> None:
    """Offer a line of the price list under another name than people ask for."""
    building.offered(platform, offer, platform.model + alias, building.serving_key(platform))
    platform.gateway.delete_model(offer.name)


def use_up(platform: Lab, cap: float) -> None:
    """Let the translation desk spend what it may, with real calls, until it is refused."""
    platform.gateway.update_key(building.key_of(platform, TRANSLATION), max_budget=cap)

    def is_refused() -> bool:
        try:
            building.call(platform, TRANSLATION, max_tokens=16)
        except BudgetExceeded:
            return True
        return False

    wait.until(is_refused, what="the translation desk to use up its budget", timeout=60, every=0.05)
