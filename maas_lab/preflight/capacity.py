"""Room for N learners: what nodes and quotas have left, against what a platform of each learner's own asks for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from maas_lab import manifests, reality
from maas_lab.errors import NotAllowed, NotFound
from maas_lab.offers import offer
from maas_lab.preflight import fitting
from maas_lab.preflight.fitting import Amounts, Fit, Need
from maas_lab.preflight.room import Room
from maas_lab.preflight.rows import FAIL, OK, UNSEEN, WARN, Row

_TURNS = "add nodes, or let learners take turns in lessons 02 and 06: all other lessons share the platform"
_SEE = "oc adm policy add-cluster-role-to-user cluster-reader"


def gpus(room: Room) -> list[Row]:
    """Look at what nodes offer of what stands for a GPU."""
    name = room.platform.gpu_resource
    found = offer(room.cluster, name)
    if found.offered is None or found.free is None:
        return [Row("GPU", name, WARN, UNSEEN, f"{_SEE} {room.cluster.whoami()}")]
    is_real = not reality.is_simulation(room.cluster, name)
    told = f"{found.offered} offered, {found.taken} taken" + ("" if is_real else "; no device, openly a simulation")
    if not found.offered:
        # A model on CPUs needs none, and then only lesson 01 has nothing to hand out.
        state = FAIL if fitting.total(_wanted(room))[name] else WARN
        mend = room.repair("oc get clusterpolicy,nodes  # does the GPU operator run, and on which nodes?")
        return [Row("GPU", name, state, told, mend)]
    if found.free < room.learners:
        # Lesson 01 is about exactly that; but nobody learns it where not even one copy finds a place.
        words = f"{told}: in lesson 01 each learner needs one at least"
        return [Row("GPU", name, WARN, words, "let learners take turns in lesson 01")]
    return [Row("GPU", name, OK, told)]


def nodes(room: Room) -> list[Row]:
    """Look whether a platform for each learner, as lessons 02 and 06 deploy it, finds its place on the nodes."""
    what = f"room for {room.learners}"
    gpu, wanted = room.platform.gpu_resource, _wanted(room)
    told = _told(fitting.total(wanted), gpu)
    try:
        there, pods = room.cluster.list("Node"), room.cluster.list("Pod", "*")
    except NotAllowed:
        found = f"a platform each asks for {told}; nodes: {UNSEEN}"
        return [Row("quota", what, WARN, found, f"{_SEE} {room.cluster.whoami()}")]
    return [verdict(what, fitting.fit(there, pods, wanted, room.learners, gpu), room.learners, told)]


def verdict(what: str, found: Fit, learners: int, told: str) -> Row:
    """Return the row for what fits.

    Args:
        what: is looked at.
        found: how many find a place.
        learners: how many are to.
        told: what each asks for, in words.
    """
    if found.learners >= learners:
        return Row("quota", what, OK, f"a platform each ({told}) finds its place on the nodes")
    lacking = ", ".join(found.lacking)
    words = f"a platform each ({told}): {found.learners} of {learners} find a place, then nodes lack {lacking}"
    return Row("quota", what, FAIL, words, f"./lab preflight --learners {max(1, found.learners)}  # {_TURNS}")


def quotas(room: Room) -> list[Row]:
    """Look at the ResourceQuotas of learners' namespaces; no row where there is none."""
    try:
        every = room.cluster.list("ResourceQuota", "*", api_version="v1")
    except NotFound:  # the cluster does not know the kind
        return []
    except NotAllowed:
        words = f"of the learners' namespaces: {UNSEEN}"
        return [Row("quota", "ResourceQuotas", WARN, words, f"{_SEE} {room.cluster.whoami()}")]
    wanted = fitting.total(_wanted(room))
    own = [one for one in every if one["metadata"]["namespace"].startswith("maas-lab-")]
    return [row for one in own for row in limits(one, wanted)]


def limits(quota: Mapping[str, Any], wanted: Amounts) -> list[Row]:
    """Return a row for a quota: whether it leaves room for a learner's platform.

    Args:
        quota: a ResourceQuota.
        wanted: what a platform asks for.
    """
    status, meta = quota.get("status") or {}, quota["metadata"]
    hard, used = status.get("hard") or quota["spec"].get("hard") or {}, status.get("used") or {}
    short = []
    for name, most in hard.items():
        resource = name.removeprefix("requests.")
        need = wanted.get(resource, Decimal(0))
        if need > (left := parse_quantity(most) - parse_quantity(used.get(name, 0))):
            short.append(f"{name}: {_amount(resource, left)} of {_amount(resource, need)} left")
    what = f"ResourceQuota {meta['name']} in {meta['namespace']}"
    if not short:
        return [Row("quota", what, OK, "leaves room for a platform of one's own")]
    return [Row("quota", what, FAIL, "; ".join(short), f"oc edit resourcequota {meta['name']} -n {meta['namespace']}")]


def _wanted(room: Room) -> list[Need]:
    facts, folder = room.platform.facts, room.manifests
    objects = [
        one for part in ("infrastructure", "models") for one in manifests.render(folder / facts[f"{part}-overlay"])
    ]
    return fitting.needs(objects, room.platform.gpu_resource)


def _told(sums: Amounts, gpu: str) -> str:
    parts = [f"{sums['pods']} pods", *(_amount(name, sums[name]) for name in ("cpu", "memory"))]
    return ", ".join([*parts, f"{sums[gpu]} {gpu}"] if sums[gpu] else parts)


def _amount(resource: str, amount: Decimal) -> str:
    if resource == "memory":
        return f"{float(amount) / 2**30:.1f} GiB"
    return f"{float(amount):g} CPU" if resource == "cpu" else f"{amount:f}"
