"""Name the kinds that the local cluster serves: what is not listed here does not exist."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
READ = ("get", "list", "watch")
METRICS = "metrics.k8s.io"
_MADE_WHEN_ASKED = ("user.openshift.io", "project.openshift.io", METRICS)
STATUS = "status"
_OF_PARTS = {"log": ("get",), "token": ("create",)}


def part_verbs(part: str) -> tuple[str, ...]:
    """Return what may be done with a subresource."""
    return _OF_PARTS.get(part, ("get", "patch", "update"))


@dataclass(frozen=True)
class Kind:
    """One kind of object and where it is served.

    Attributes:
        group: API group, "" for the core group.
        verbs: what may be done with it, in the order in which discovery lists them.
        categories: words like `all` that stand for several kinds in `kubectl get`.
        subresources: paths below an object that are served too.
        custom: defined by a CRD on a real cluster, which knows no strategic merge for it.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = field(default=())
    custom: bool = False

    @cached_property
    def api_version(self) -> str:
        """Return `group/version`, or the version alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def resource(self) -> str:
        """Return `plural.group`, as errors name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def qualified(self) -> str:
        """Return `Kind.group`, as validation errors name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def stored(self) -> bool:
        """Whether objects of this kind are kept; reviews are answered and forgotten."""
        return self.verbs != ("create",) and self.group not in _MADE_WHEN_ASKED


def _core(kind: str, plural: str, short: str = "", *, namespaced: bool = True, **more: tuple[str, ...]) -> Kind:
    return Kind("", "v1", kind, plural, kind.lower(), namespaced, (short,) if short else (), **more)


def _workload(kind: str, short: str) -> Kind:
    name = kind.lower()
    below = ("scale", STATUS)
    return Kind("apps", "v1", kind, f"{name}s", name, True, (short,), categories=("all",), subresources=below)


def _custom(
    group: str,
    version: str,
    kind: str,
    short: tuple[str, ...] = (),
    below: tuple[str, ...] = (),
    *,
    namespaced: bool = True,
) -> Kind:
    name = kind.lower()
    return Kind(group, version, kind, f"{name}s", name, namespaced, short, CUSTOM, (), below, custom=True)


def _review(group: str, kind: str, *, namespaced: bool = False) -> Kind:
    name = kind.lower()
    return Kind(group, "v1", kind, f"{name}s", name, namespaced, verbs=("create",))


def _access(kind: str) -> Kind:
    name = kind.lower()
    return Kind("rbac.authorization.k8s.io", "v1", kind, f"{name}s", name, not kind.startswith("Cluster"))


KINDS: tuple[Kind, ...] = (
    _core("ConfigMap", "configmaps", "cm"),
    _core("Event", "events", "ev"),
    _core(
        "Namespace",
        "namespaces",
        "ns",
        namespaced=False,
        verbs=tuple(verb for verb in ALL if verb != "deletecollection"),
        subresources=(STATUS,),
    ),
    _core("Node", "nodes", "no", namespaced=False, subresources=(STATUS,)),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=(STATUS,)),
    _core("Pod", "pods", "po", categories=("all",), subresources=("log", STATUS)),
    _core("ResourceQuota", "resourcequotas", "quota", subresources=(STATUS,)),
    _core("Secret", "secrets"),
    _core("ServiceAccount", "serviceaccounts", "sa", subresources=("token",)),
    _core("Service", "services", "svc", categories=("all",), subresources=(STATUS,)),
    _workload("Deployment", "deploy"),
    _workload("ReplicaSet", "rs"),
    _workload("StatefulSet", "sts"),
    Kind("batch", "v1", "Job", "jobs", "job", True, categories=("all",), subresources=(STATUS,)),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", True, verbs=READ),
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authentication.k8s.io", "TokenReview"),
    _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
    *(_access(kind) for kind in ("ClusterRoleBinding", "ClusterRole", "RoleBinding", "Role")),
    _custom("quota.openshift.io", "v1", "ClusterResourceQuota", below=(STATUS,), namespaced=False),
    _custom("route.openshift.io", "v1", "Route", below=(STATUS,)),
    _custom("argoproj.io", "v1alpha1", "Application", ("app", "apps")),
    _custom("argoproj.io", "v1alpha1", "AppProject", ("appproj", "appprojs")),
    _custom("serving.kserve.io", "v1beta1", "InferenceService", ("isvc",), (STATUS,)),
    _custom("serving.kserve.io", "v1alpha1", "ServingRuntime"),
    Kind(METRICS, "v1beta1", "PodMetrics", "pods", "pod", True, verbs=("get", "list")),
    Kind("project.openshift.io", "v1", "Project", "projects", "project", False, verbs=("delete", *READ)),
    Kind("project.openshift.io", "v1", "ProjectRequest", "projectrequests", "projectrequest", False, verbs=("create",)),
    Kind("user.openshift.io", "v1", "User", "users", "user", False, verbs=("get",)),
)
_BY_PLURAL = {(one.group, one.version, one.plural): one for one in KINDS}
_BY_KIND = {(one.api_version, one.kind): one for one in KINDS}


def find(group: str, version: str, plural: str) -> Kind | None:
    """Return the kind served at a path, or None."""
    return _BY_PLURAL.get((group, version, plural))


def of(api_version: str, kind: str) -> Kind | None:
    """Return the kind that an object names, or None."""
    return _BY_KIND.get((api_version, kind))
