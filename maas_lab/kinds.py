"""Names of Kubernetes kinds and objects, as people type them: `deploy/litellm`, `isvc`, `pods`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from maas_lab.errors import UsageError

# Kind, its API version, and kubectl's short names. Other kinds are reached with `api_version=`.
_KNOWN = (
    ("Application", "argoproj.io/v1alpha1", "app"),
    ("AppProject", "argoproj.io/v1alpha1", "appproj"),
    ("ConfigMap", "v1", "cm"),
    ("Deployment", "apps/v1", "deploy"),
    ("Event", "v1", "ev"),
    ("InferenceService", "serving.kserve.io/v1beta1", "isvc"),
    ("Job", "batch/v1", ""),
    ("Namespace", "v1", "ns"),
    ("NetworkPolicy", "networking.k8s.io/v1", "netpol"),
    ("Node", "v1", "no"),
    ("PersistentVolumeClaim", "v1", "pvc"),
    ("Pod", "v1", "po"),
    ("PodMetrics", "metrics.k8s.io/v1beta1", ""),
    ("ReplicaSet", "apps/v1", "rs"),
    ("Route", "route.openshift.io/v1", ""),
    ("Secret", "v1", ""),
    ("Service", "v1", "svc"),
    ("ServiceAccount", "v1", "sa"),
    ("ServingRuntime", "serving.kserve.io/v1alpha1", ""),
    ("StatefulSet", "apps/v1", "sts"),
)
CLUSTER_WIDE = frozenset(
    {
        *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace", "Node"),
        *("PersistentVolume", "PriorityClass", "RuntimeClass", "StorageClass"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
    }
)


class Kind(NamedTuple):
    """A kind of objects, with the API version that serves it."""

    name: str
    api_version: str


class Ref(NamedTuple):
    """Where an object is found; `namespace` is empty where there is none, or the default one is meant."""

    kind: Kind
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}" + (f" in {self.namespace}" if self.namespace else "")


def kind(name: str, api_version: str | None = None) -> Kind:
    """Return the kind for a name as kubectl takes it: the kind, its plural or its short name, in any case.

    Args:
        name: e.g. `Deployment`, `deployments`, `deploy`.
        api_version: of a kind that is not among the lab's, whose name must then be exact.

    Raises:
        UsageError: there is no such name.
    """
    if api_version:
        return Kind(name, api_version)
    found = _NAMES.get(name.lower())
    if found is None:
        close = difflib.get_close_matches(name.lower(), _NAMES, 1)
        hint = f"did you mean `{close[0]}`? " if close else ""
        raise UsageError(
            f"`{name}` is no kind of objects that this lab knows", hint=hint + "others need `api_version=`"
        )
    return found


def ref(target: str | Mapping[str, Any], namespace: str | None = None) -> Ref:
    """Return where an object is found.

    Args:
        target: `kind/name`, or an object with its kind and metadata.
        namespace: where it is when it does not say so itself.

    Raises:
        UsageError: this names no object, or another namespace than its own.
    """
    if isinstance(target, str):
        word, slash, name = target.partition("/")
        if not (slash and name):
            raise UsageError(f"`{target}` names no object", hint="write kind/name, e.g. `deployment/litellm`")
        return _placed(kind(word), name, namespace)
    meta = target.get("metadata") if isinstance(target, Mapping) else None
    parts = [target.get("apiVersion"), target.get("kind")] if isinstance(target, Mapping) else []
    name = meta.get("name") if isinstance(meta, Mapping) else None
    if not (parts and all(isinstance(part, str) and part for part in [*parts, name])):
        what = "this is not an object of Kubernetes: it needs apiVersion, kind and metadata.name, all of them text"
        raise UsageError(what, _given(target), 'quote a name of digits: name: "8"')
    own = meta.get("namespace")
    if namespace and own and own != namespace and parts[1] not in CLUSTER_WIDE:
        what = f"{parts[1]} `{name}` says that it belongs in `{own}`, not in `{namespace}`"
        raise UsageError(what, hint="leave `namespace=` out, or metadata.namespace in the manifest")
    return _placed(Kind(parts[1], parts[0]), name, own or namespace)


def _placed(kind: Kind, name: str, namespace: str | None) -> Ref:
    return Ref(kind, name, "" if kind.name in CLUSTER_WIDE else namespace or "")


def _given(target: object) -> str:
    """Say what was given without its values: it may be a Secret."""
    names = ", ".join(map(str, target)) if isinstance(target, Mapping) else type(target).__name__
    return f"given: {names or 'nothing'}"


def plural(name: str) -> str:
    """Return the plural under which a kind is served."""
    word = name.lower()
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word.endswith("s") else "s")


def _names() -> dict[str, Kind]:
    names = {}
    for name, version, short in _KNOWN:
        names.update(dict.fromkeys(filter(None, (name.lower(), plural(name), short)), Kind(name, version)))
    return names


_NAMES = _names()
