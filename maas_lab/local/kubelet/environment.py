"""Make the environment variables of a container, in the order and with the expansions of a kubelet."""

from __future__ import annotations

import re
from collections.abc import Callable

from maas_lab.local.kube.store import Object
from maas_lab.local.kubelet.lookup import Lookup, Missing, field

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def variables(pod: Object, container: Object, lookup: Lookup, resolve: Callable[[str], str]) -> dict[str, str]:
    """Return a container's variables.

    Args:
        pod: whose container it is.
        container: from the pod's spec.
        lookup: finds Secrets and ConfigMaps.
        resolve: replaces the names of Services in a value.

    Raises:
        Missing: a Secret, a ConfigMap or one of its keys is not there, and is not optional.
    """
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        found.update(_all_of(source, lookup))
    for one in container.get("env") or ():
        if one.get("valueFrom"):
            value = _value_from(one["valueFrom"], pod, container, lookup)
            if value is None:
                continue
        else:
            value = expand(one.get("value") or "", found)
        found[one["name"]] = value
    return {name: resolve(value) for name, value in found.items()}


def expand(text: str, known: dict[str, str]) -> str:
    """Replace `$(NAME)` by a variable that is known; `$$` stands for `$`, and an unknown name stays as it is."""

    def replaced(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else known.get(match[2], match[0])

    return _REFERENCE.sub(replaced, text)


def _all_of(source: Object, lookup: Lookup) -> dict[str, str]:
    """Return all entries of a Secret or ConfigMap as variables."""
    reference = source.get("configMapRef") or source.get("secretRef") or {}
    find = lookup.config_map if source.get("configMapRef") else lookup.secret
    prefix = source.get("prefix") or ""
    return {prefix + key: _text(value) for key, value in find(reference).items()}


def _value_from(source: Object, pod: Object, container: Object, lookup: Lookup) -> str | None:
    """Return the value that a reference stands for; None for an optional one that is not there."""
    if one := source.get("fieldRef"):
        return field(pod, one["fieldPath"])
    if one := source.get("resourceFieldRef"):
        return lookup.resource(container, one)
    if one := source.get("secretKeyRef"):
        return _entry(one, "Secret", lookup.secret, lookup.namespace)
    return _entry(source["configMapKeyRef"], "ConfigMap", lookup.config_map, lookup.namespace)


def _entry(one: Object, kind: str, find: Callable[[Object], dict[str, bytes]], namespace: str) -> str | None:
    value = find(one).get(one["key"])
    if value is None and not one.get("optional"):
        raise Missing(f"couldn't find key {one['key']} in {kind} {namespace}/{one.get('name', '')}")
    return None if value is None else _text(value)


def _text(value: bytes) -> str:
    """Return an entry as the value of a variable, which holds no zero byte."""
    return value.decode("utf-8", errors="surrogateescape").replace("\0", "")
