"""Tell objects and Applications apart: identities, and the annotation by which an Application knows what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from maas_lab import kinds as scopes
from maas_lab.local.kube import kinds
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.store import Key, Object

HOME = "openshift-gitops"  # where OpenShift GitOps keeps its Applications and projects
APPLICATION, PROJECT = (kinds.of("argoproj.io/v1alpha1", kind) for kind in ("Application", "AppProject"))
PREFIX = "argocd.argoproj.io/"
TRACKING, WAVE, REFRESH, HOOK = (f"{PREFIX}{name}" for name in ("tracking-id", "sync-wave", "refresh", "hook"))
SYNC_OPTIONS, COMPARE_OPTIONS = f"{PREFIX}sync-options", f"{PREFIX}compare-options"


class Id(NamedTuple):
    """What an object is, whatever version serves it."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.group, self.kind, self.name) if part)


def annotations(obj: Object) -> dict[str, str]:
    """Return an object's annotations."""
    return obj["metadata"].get("annotations") or {}


def options(obj: Object, which: str) -> dict[str, str]:
    """Return the options in an annotation, such as `Prune=false,Delete=false`, by name."""
    told = (one.partition("=") for one in annotations(obj).get(which, "").split(","))
    return {name.strip(): value.strip() for name, _, value in told}


def identify(obj: Object) -> Id:
    """Return what an object is."""
    metadata = obj["metadata"]
    group = obj["apiVersion"].rpartition("/")[0]
    return Id(group, obj["kind"], metadata.get("namespace") or "", metadata["name"])


def kind_of(obj: Object) -> Kind | None:
    """Return the served kind of an object, or None."""
    return kinds.of(obj["apiVersion"], obj["kind"])


def key_of(kind: Kind, obj: Object) -> Key:
    """Return under which key the store has an object."""
    metadata = obj["metadata"]
    return Key(kind.resource, metadata.get("namespace") or "", metadata["name"])


def is_namespaced(obj: Object) -> bool:
    """Tell whether an object of this kind lives in a namespace, served or not."""
    kind = kind_of(obj)
    return kind.namespaced if kind else obj["kind"] not in scopes.CLUSTER_WIDE


def name_of(app: Object) -> str:
    """Return by which name an Application's objects are tracked; that of one elsewhere begins with its namespace."""
    namespace, name = app["metadata"]["namespace"], app["metadata"]["name"]
    return name if namespace == HOME else f"{namespace}_{name}"


def application_key(tracked: str) -> Key:
    """Return the key of the Application that is tracked under a name; no namespace has a `_`."""
    namespace, underscore, name = tracked.partition("_")
    return Key(APPLICATION.resource, *((namespace, name) if underscore else (HOME, tracked)))


def tracking(application: str, one: Id) -> str:
    """Return the annotation's value for an object of an Application."""
    return f"{application}:{one.group}/{one.kind}:{one.namespace}/{one.name}"


def tracked_by(obj: Object) -> str:
    """Return the name of the Application that an object belongs to; a copied annotation makes it nobody's."""
    told = annotations(obj).get(TRACKING, "")
    name, colon, _ = told.partition(":")
    return name if colon and told == tracking(name, identify(obj)) else ""


def wave(obj: Object) -> int:
    """Return the wave in which an object is applied."""
    text = annotations(obj).get(WAVE, "0")
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 10 else 0


def stored_kinds() -> Iterator[Kind]:
    """Yield the kinds in namespaces that can be part of an Application."""
    made = ("Event", "EndpointSlice", "Application", "AppProject")
    yield from (kind for kind in kinds.KINDS if kind.stored and kind.namespaced and kind.kind not in made)
