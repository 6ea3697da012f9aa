"""Start the challenge: ask for the rights, make the namespace, build the platform, break it, and note that."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maas_lab.challenge import building, planting, symptoms
from maas_lab.challenge.state import Notes
from maas_lab.challenge.tickets import TIERS, Offer, Plan, offers
from maas_lab.cluster import Cluster
from maas_lab.errors import NotAllowed, NotFound
from maas_lab.rights import PROVIDER

if TYPE_CHECKING:
    from maas_lab.lab import Lab

_CREATE = "create namespaces"
_RIGHTS = (*PROVIDER, "list endpointslices.discovery.k8s.io", "delete namespaces")
_PROMPT, _ANSWER = 100, 16  # tokens whose price is the cap of the translation desk: two or three calls
_MORE = 10  # times that cap is what finance has agreed to


def make_room(cluster: Cluster, namespace: str) -> None:
    """Make the namespace, unless it is there; one that is on its way out is waited for.

    Raises:
        NotAllowed: rights are missing; says which, and the commands that give them.
        TookTooLong: the old namespace does not go.
    """
    is_there = _is_there(cluster, namespace)
    rules = [one for one in _RIGHTS if one != _CREATE or not is_there]
    missing = [one for one in cluster.permissions(rules, namespace) if not one.allowed]
    if missing:
        why = "you may not " + ", ".join(f"{one.verb} {one.resource}" for one in missing)
        hint = "ask an administrator for:\n" + "\n".join(dict.fromkeys(one.ask for one in missing))
        raise NotAllowed(f"the challenge needs more rights in {namespace}", why, hint)
    if not is_there:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


def build(
    lab: Lab, namespace: str, notes: Notes, patience: float, progress: Callable[[str], object] | None = None
) -> None:
    """Build the platform, see that everybody is answered, plant the faults, and note it all.

    A start that was interrupted is gone on with: what is there stays, and so do the faults that were drawn.

    Args:
        lab: the lab that the learner is connected to.
        namespace: which exists.
        notes: of the challenge.
        patience: seconds to wait for pods at most.
        progress: called with a line whenever something gets on.
    """
    from maas_lab.lab import Lab  # which knows this package

    before, prices = notes.read(), price_list(lab)
    seed = int(before.get("seed") or secrets.randbelow(2**32))
    cap = _PROMPT * prices[0].input_cost + _ANSWER * prices[0].output_cost
    told = {"offers": json.dumps([asdict(one) for one in prices]), "approved": repr(float(f"{_MORE * cap:.4g}"))}
    notes.write(seed=str(seed), began=before.get("began") or _now(), **told)
    building.build(lab, namespace, patience, progress)
    with closing(Lab(lab.cluster, namespace)) as platform:
        building.register(platform, prices)
        keys, plan = building.hand_out(platform, prices), Plan.of(seed)
        planting.plant(lab, platform, plan, dict(zip(TIERS, prices, strict=True)), cap)
        met = {row.ticket: row.meets for row in symptoms.now(platform, plan)}
    notes.write(keys=json.dumps(keys), met=json.dumps(met), planted=_now())


def price_list(lab: Lab) -> list[Offer]:
    """Return the price list of the challenge, made from the price at the lab's own gateway.

    Raises:
        NotFound: the lab's gateway does not offer its model.
    """
    found = next((one for one in lab.gateway.models() if one.name == lab.model), None)
    if found is None:
        hint = "register it, as lesson 02 does: lab.gateway.register_model(...)"
        raise NotFound(f"the lab's own gateway does not offer {lab.model}", "its price is not known then", hint)
    return offers(lab.model, found.input_cost, found.output_cost)


@contextlib.contextmanager
def closing(platform: Lab) -> Iterator[Lab]:
    """Close the gateway's connections at the end, not the cluster's, which are the learner's."""
    try:
        yield platform
    finally:
        platform.gateway.close()


def _is_there(cluster: Cluster, namespace: str) -> bool:
    try:
        found = cluster.get("Namespace", namespace)
    except (NotFound, NotAllowed):  # whoever may not look is told when it is made
        return False
    if found["metadata"].get("deletionTimestamp"):
        cluster.wait_gone(f"namespace/{namespace}")
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
