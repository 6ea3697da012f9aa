"""Write an Application's status as Argo CD does."""

from __future__ import annotations

from collections.abc import Iterable

from maas_lab.local.gitops import identity
from maas_lab.local.gitops.comparison import UNKNOWN, Comparison, Pair
from maas_lab.local.gitops.operations import is_recorded
from maas_lab.local.kube.store import Object

HISTORY = 10


def compared(app: Object, comparison: Comparison | None, now: str) -> Object:
    """Return the status that follows from a comparison, without operation and conditions; None: it was not possible."""
    before = app.get("status") or {}
    spec = app["spec"]
    to = {name: spec[name] for name in ("source", "destination", "ignoreDifferences") if spec.get(name)}
    kept = {
        name: before[name] for name in ("history", "operationState", "observedAt", "reconciledAt") if name in before
    }
    told: Object = {**kept, "controllerNamespace": identity.HOME}
    if comparison is None:
        told |= {"sync": {"status": UNKNOWN, "comparedTo": to}, "health": _health(before, UNKNOWN, now)}
        return told
    answer = comparison.answer
    told["sync"] = {"status": comparison.sync, "comparedTo": to}
    if answer.revision and not answer.error:
        told["sync"]["revision"] = answer.revision
    told["health"] = _health(before, comparison.health, now)
    told["resources"] = [_resource(pair) for pair in comparison.pairs]
    if answer.type:
        told["sourceType"] = answer.type
    told["summary"] = {"images": images} if (images := _images(comparison.pairs)) else {}
    return told


def with_conditions(told: Object, before: Object, found: Iterable[tuple[str, str]], now: str) -> Object:
    """Return a status with conditions; what was so before keeps its time."""
    had = {(one["type"], one["message"]): one.get("lastTransitionTime", now) for one in before.get("conditions") or []}
    conditions = [
        {"type": type_, "message": message, "lastTransitionTime": had.get((type_, message), now)}
        for type_, message in dict.fromkeys(found)
    ]
    return {**told, "conditions": conditions} if conditions else told


def recorded(told: Object, app: Object, state: Object) -> Object:
    """Return a status whose history has a finished operation, if that belongs there."""
    if not is_recorded(state):
        return told
    history = told.get("history") or []
    result = state["syncResult"]
    entry = {
        "revision": result["revision"],
        "deployedAt": state["finishedAt"],
        "id": history[-1]["id"] + 1 if history else 0,
        "source": result["source"],
        "deployStartedAt": state["startedAt"],
        "initiatedBy": state["operation"].get("initiatedBy") or {},
    }
    most = app["spec"].get("revisionHistoryLimit", HISTORY)
    return {**told, "history": [*history, entry][-most:] if most > 0 else []}


def _health(before: Object, found: str, now: str) -> Object:
    had = before.get("health") or {}
    since = had.get("lastTransitionTime", now) if had.get("status") == found else now
    return {"status": found, "lastTransitionTime": since}


def _resource(pair: Pair) -> Object:
    one = pair.id
    told = {
        "group": one.group,
        "version": pair.version,
        "kind": one.kind,
        "namespace": one.namespace,
        "name": one.name,
        "status": pair.status,
        "syncWave": pair.wave,
    }
    told = {name: value for name, value in told.items() if value}
    if pair.health:
        told["health"] = pair.health.told()
    if pair.wanted is None:
        told["requiresPruning"] = True
    return told


def _images(pairs: Iterable[Pair]) -> list[str]:
    """Return the images that the live objects run."""
    found = set()
    for pair in pairs:
        spec = (pair.live or {}).get("spec") or {}
        pod = (spec.get("template") or {}).get("spec") or (spec if pair.id.kind == "Pod" else {})
        found |= {one["image"] for one in pod.get("containers") or [] if one.get("image")}
    return sorted(found)
