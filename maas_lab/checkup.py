"""Look at a connected lab, whichever cluster it is on: what answers, what does not, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from maas_lab.errors import LabError, NotAllowed
from maas_lab.tables import Finding

if TYPE_CHECKING:
    from maas_lab.lab import Lab

Subject = TypeVar("Subject")


def examine(lab: Lab) -> Iterator[Finding]:
    """Yield a finding for each part that the lessons need; what cannot be looked at is a finding, too."""
    return looked(lab, (_cluster, pods, gateway, model, _portal), "look at its log")


def looked(subject: Subject, looks: Iterable[Callable[[Subject], Finding]], hint: str) -> Iterator[Finding]:
    """Yield what each look finds; one that fails is a finding named like it.

    Args:
        subject: what is looked at.
        looks: functions that return a finding; their names without a leading `_` are topics.
        hint: what to do where a failure does not say.
    """
    for look in looks:
        try:
            yield mended(look(subject))
        except (LabError, OSError) as error:
            seen = ": ".join(filter(None, (str(error), getattr(error, "why", ""))))
            yield Finding(look.__name__.removeprefix("_"), False, seen, getattr(error, "hint", "") or hint)


def mended(finding: Finding) -> Finding:
    """Return a finding without its hint where nothing is to be done."""
    return replace(finding, hint="") if finding.ok else finding


def _cluster(lab: Lab) -> Finding:
    return Finding("cluster", True, f"Kubernetes {lab.cluster.version()} answers {lab.cluster.whoami()}")


def pods(lab: Lab) -> Finding:
    """Look whether all pods of the platform are ready."""
    found = lab.cluster.pods(lab.namespace)
    bad = [pod for pod in found if pod.phase != "Succeeded" and len(set(pod.ready.split("/"))) > 1]
    told = ", ".join(f"{pod.name}: {pod.reason or pod.phase}" for pod in bad)
    if not found:
        return Finding("pods", False, f"there is none in {lab.namespace}", "manifests/README.md says how to deploy")
    if not bad:
        return Finding("pods", True, f"all are ready in {lab.namespace}")
    name = bad[0].name
    hint = f"lab.cluster.events({lab.namespace!r}, of='pod/{name}'), lab.cluster.logs({name!r}, {lab.namespace!r})"
    return Finding("pods", False, f"not ready: {told}", hint)


def gateway(lab: Lab) -> Finding:
    """Look whether the gateway answers, and offers the model."""
    names = [one.name for one in lab.gateway.models()]
    hint = "register it, as lesson 02 does: lab.gateway.register_model(...)"
    seen = f"LiteLLM {lab.gateway.version()} offers {', '.join(names) or 'nothing'}"
    return Finding("gateway", lab.model in names, seen, hint)


def model(lab: Lab) -> Finding:
    """Look whether the model server tells its metrics."""
    try:
        with lab.engine() as engine:
            engine.scrape()
    except NotAllowed:  # learners of a class call it through the gateway, which is looked at above
        return Finding("model", True, f"the server of {lab.model} is not yours to look at")
    return Finding("model", True, f"the server of {lab.model} tells its metrics")


def _portal(lab: Lab) -> Finding:
    lab.login("consumer").close()
    return Finding("portal", True, "a consumer can log in")
