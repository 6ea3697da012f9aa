"""The order in which a sync does its work: wave by wave, in each wave first what goes, then what comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from maas_lab.local.gitops import identity
from maas_lab.local.gitops.comparison import Pair
from maas_lab.local.gitops.identity import Id
from maas_lab.local.kube.store import Object

# Within a wave, what others need comes first; kinds that are not listed come last.
KINDS = [
    *("Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodDisruptionBudget", "ServiceAccount", "Secret"),
    *("ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition", "Role"),
    *("RoleBinding", "Service", "DaemonSet", "Pod", "ReplicaSet", "Deployment", "StatefulSet", "Job", "CronJob"),
]


@dataclass(frozen=True)
class Task:
    """One object to apply, or to prune.

    Attributes:
        wave: when.
    """

    pair: Pair
    wave: int

    @property
    def prunes(self) -> bool:
        """Whether the object goes."""
        return self.pair.wanted is None

    @property
    def order(self) -> tuple[object, ...]:
        """What tasks are sorted by."""
        one = self.pair.id
        rank = KINDS.index(one.kind) if one.kind in KINDS else len(KINDS)
        return (self.wave, not self.prunes, -rank if self.prunes else rank, one)


def tasks(pairs: Iterable[Pair], sync: Object, options: dict[str, str]) -> list[Task]:
    """Return what a sync has to do, in order.

    Args:
        pairs: the objects of the Application.
        sync: the operation; with `resources` only those are synced.
        options: its sync options.
    """
    chosen = [pair for pair in pairs if not sync.get("resources") or any(_is(pair.id, r) for r in sync["resources"])]
    if options.get("ApplyOutOfSyncOnly") == "true":
        chosen = [pair for pair in chosen if pair.differs]
    found = [Task(pair, pair.wave) for pair in chosen]
    return sorted(_with_prune_waves(found, last=options.get("PruneLast") == "true"), key=lambda task: task.order)


def _is(one: Id, named: Object) -> bool:
    wanted = (named.get("group", ""), named["kind"], named["name"])
    return (one.group, one.kind, one.name) == wanted and named.get("namespace", one.namespace) == one.namespace


def _with_prune_waves(found: list[Task], *, last: bool) -> list[Task]:
    """Let objects go in the opposite order of their coming, or after everything else."""
    waves = sorted({task.wave for task in found if task.prunes})
    mirrored = dict(zip(waves, reversed(waves), strict=True))
    end = max((task.wave for task in found), default=0) + 1
    result = []
    for task in found:
        if task.prunes:
            own = identity.options(task.pair.live, identity.SYNC_OPTIONS).get("PruneLast") == "true"
            task = replace(task, wave=end if last or own else mirrored[task.wave])
        result.append(task)
    return result
