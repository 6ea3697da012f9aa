"""Refuse what would be more than a quota allows, in the words of the API server.

What is used is counted in the moment of the write, and nothing else happens between the two: so of two writes that
come together, one finds what the other has taken. A new quota holds at once; on a cluster it refuses everything that it
counts, for a moment, until its status is known.
"""

from __future__ import annotations

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.quota import limits, usage
from maas_lab.local.kube.quota.limits import Limit
from maas_lab.local.kube.quota.usage import Amounts
from maas_lab.local.kube.status import forbidden
from maas_lab.local.kube.store import Object, Store


def check(store: Store, kind: Kind, new: Object, old: Object | None = None) -> None:
    """Look at a new state of an object before it is kept, whoever writes it.

    Args:
        store: with everything that is kept.
        kind: of the object.
        new: what would be kept.
        old: what is kept; without it the object is created.

    Raises:
        ApiError: 403, a quota does not allow it.
    """
    namespace = new["metadata"].get("namespace", "")
    asked = usage.of_object(kind, new) if namespace else {}
    if old is not None:
        asked = usage.growth(asked, usage.of_object(kind, old))
    if not asked:
        return
    holding = limits.holding(store, namespace)
    if kind == usage.POD and old is None:
        for limit in holding:
            _insist_on_names(new, limit)
    for limit in holding:
        if told := _exceeded(store, limit, asked):
            raise forbidden(kind, new["metadata"]["name"], told)


def _insist_on_names(pod: Object, limit: Limit) -> None:
    """Refuse a pod that does not say how much it asks for of what is limited."""
    if missing := usage.unnamed(pod, limit.hard):
        told = "; ".join(f"{name} for: {','.join(containers)}" for name, containers in missing.items())
        raise forbidden(usage.POD, pod["metadata"]["name"], f"failed quota: {limit.name}: must specify {told}")


def _exceeded(store: Store, limit: Limit, asked: Amounts) -> str:
    """Return what would be more than one quota allows; nothing where all of it fits."""
    hard = {name: most for name, most in limit.hard.items() if name in asked and asked[name].number}
    if not hard:
        return ""
    used = usage.added(limits.used(store, hard, place) for place in limit.places)
    over = [name for name in sorted(hard) if used[name].number + asked[name].number > hard[name].number]
    parts = {"requested": asked, "used": used, "limited": hard}
    told = [f"{what}: {','.join(f'{name}={amounts[name]}' for name in over)}" for what, amounts in parts.items()]
    return f"exceeded quota: {limit.name}, {', '.join(told)}" if over else ""
