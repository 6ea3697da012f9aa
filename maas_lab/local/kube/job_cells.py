"""Work out what `kubectl get jobs` shows."""

from __future__ import annotations

from maas_lab.local.kube import cells
from maas_lab.local.kube.cells import Object


def status(obj: Object) -> str:
    """Return how a Job is: the condition that matters most, else that it runs."""
    found = [one for one in ("Complete", "Failed") if cells.condition(one)(obj) == "True"]
    if not found and obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    found += [
        one for one in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if cells.condition(one)(obj) == "True"
    ]
    return found[0] if found else "Running"


def completions(obj: Object) -> str:
    """Return how many of the wanted pods of a Job have succeeded."""
    done, wanted = (obj.get("status") or {}).get("succeeded", 0), obj["spec"].get("completions")
    at_once = obj["spec"].get("parallelism", 1)
    if wanted is None:
        return f"{done}/1 of {at_once}" if at_once > 1 else f"{done}/1"
    return f"{done}/{wanted}"


def duration(obj: Object) -> str:
    """Return how long a Job has taken."""
    began, ended = (cells.value(obj, f"status.{name}") for name in ("startTime", "completionTime"))
    if not began or not ended:
        return cells.since(began) if began else ""
    return cells.duration(int((cells.moment(ended) - cells.moment(began)).total_seconds()))
