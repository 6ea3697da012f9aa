"""What several controllers need: times, conditions, label selectors, names from templates, and a pod's state."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime

from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import ALPHABET


def read_stamp(text: str) -> datetime:
    """Return the time that an object carries."""
    return datetime.fromisoformat(text).astimezone(UTC)


def status(obj: Object) -> Object:
    """Return an object's status, empty where it has none."""
    return obj.get("status") or {}


def condition(obj_status: Object, type_: str) -> Object | None:
    """Return the condition of a type, or None."""
    return next((one for one in obj_status.get("conditions") or () if one["type"] == type_), None)


def dated(new: Object, obj_status: Object) -> Object:
    """Return a condition with the time of its last transition, which stays while its status does."""
    old = condition(obj_status, new["type"])
    if old and old["status"] == new["status"] and old.get("lastTransitionTime"):
        return {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return new


def with_condition(conditions: Iterable[Object], new: Object) -> list[Object]:
    """Return conditions with one replaced; the time of its last transition stays while its status does."""
    had = list(conditions)
    return [*(one for one in had if one["type"] != new["type"]), dated(new, {"conditions": had})]


def selects(selector: Object | None, labels: Object) -> bool:
    """Tell whether a LabelSelector fits labels; an empty one fits everything, none fits nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    return all(_meets(one, labels) for one in selector.get("matchExpressions") or ())


def _meets(requirement: Object, labels: Object) -> bool:
    name, values = requirement["key"], requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return labels.get(name) in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    return labels.get(name) not in values


def template_hash(template: Object, salt: int = 0) -> str:
    """Return the short text that tells pod templates apart; the salt is for the case that it does not."""
    text = json.dumps([template, salt] if salt else template, sort_keys=True)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(number))


def share(wanted: int | str, of: int, *, up: bool) -> int:
    """Return an absolute number for `3` or `25%`, percentages rounded up or down."""
    if isinstance(wanted, int):
        return wanted
    exact = of * int(wanted.rstrip("%")) / 100
    return math.ceil(exact) if up else math.floor(exact)


def is_ended(pod: Object) -> bool:
    """Tell whether all of a pod's containers have ended for good."""
    return status(pod).get("phase") in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Tell whether a pod counts: it neither has ended nor is about to."""
    return not is_ended(pod) and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Object) -> bool:
    """Tell whether a pod serves."""
    ready = condition(status(pod), "Ready")
    return bool(ready and ready["status"] == "True")


def seconds_to_available(pod: Object, min_ready_s: int, at: datetime) -> float:
    """Return how long a ready pod still has to stay ready to count as available; infinite if it is not ready."""
    if not is_ready(pod):
        return math.inf
    if not min_ready_s:
        return 0
    since = read_stamp(condition(status(pod), "Ready")["lastTransitionTime"])
    return max(0.0, min_ready_s - (at - since).total_seconds())


def without_zeros(told: Object, *keep: str) -> Object:
    """Return a status without the fields that Go leaves out at zero."""
    return {name: value for name, value in told.items() if value or name in keep}
