"""Check quotas, in the words of the API server; what the local cluster would not hold anybody to, it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maas_lab.local.kube import quantities, syntax
from maas_lab.local.kube.quota import usage
from maas_lab.local.kube.status import Cause

Object = dict[str, Any]
# What a real server knows besides.
_STANDARD = {
    *(f"{prefix}ephemeral-storage" for prefix in ("", "requests.", "limits.")),
    *("replicationcontrollers", "services.loadbalancers", "services.nodeports"),
}
NO_SCOPES = "the local cluster knows no scopes: a quota holds for all objects of its namespaces"
NOT_COUNTED = "the local cluster does not count this, so it would limit nothing here"


def resource_quota(obj: Object) -> Iterator[Cause]:
    """Check a ResourceQuota."""
    yield from _spec(obj.get("spec") or {}, "spec")


def cluster_resource_quota(obj: Object) -> Iterator[Cause]:
    """Check a ClusterResourceQuota whose fields have their types."""
    selector = obj["spec"]["selector"]
    labels, annotations = selector.get("labels"), selector.get("annotations")
    named = labels and (labels.get("matchLabels") or labels.get("matchExpressions"))
    if not named and not annotations:
        yield syntax.required("spec.selector", "must restrict the selected projects")
    if labels is not None and not named:
        yield syntax.invalid("spec.selector.labels", labels, "must restrict the selected projects")
    yield from syntax.labels((labels or {}).get("matchLabels"), "spec.selector.labels.matchLabels")
    yield from _spec(obj["spec"]["quota"], "spec.quota")


def _spec(spec: Object, field: str) -> Iterator[Cause]:
    for name, most in sorted((spec.get("hard") or {}).items()):
        where = f"{field}.hard[{name}]"
        yield from _name(name, where)
        yield from _amount(name, most, where)
    for part in ("scopes", "scopeSelector"):
        if spec.get(part):
            yield syntax.forbidden(f"{field}.{part}", NO_SCOPES)


def _name(name: str, field: str) -> Iterator[Cause]:
    """Check that something is counted under a name."""
    if wrong := syntax.qualified_name(name):
        yield from syntax.all_invalid(field, name, wrong)
    elif usage.kind_of(name) is not None:
        return
    elif usage.is_extended(name):
        yield syntax.invalid(field, name, f"a quota limits requests only: write requests.{name}")
    elif "/" in name or name in _STANDARD or "hugepages-" in name:
        yield syntax.invalid(field, name, NOT_COUNTED)
    else:
        for why in ("must be a standard resource type or fully qualified", "must be a standard resource for quota"):
            yield syntax.invalid(field, name, why)


def _amount(name: str, most: str | int, field: str) -> Iterator[Cause]:
    quantity = quantities.read(most)
    if quantity.number < 0:
        yield syntax.invalid(field, str(quantity), "must be greater than or equal to 0")
    elif name in usage.WHOLE and quantity.number != quantity.number.to_integral_value():
        yield syntax.invalid(field, str(quantity), "must be an integer")
