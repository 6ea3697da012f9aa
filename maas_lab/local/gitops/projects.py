"""Hold an Application to its AppProject: which repositories, which destinations, which kinds."""

from __future__ import annotations

from fnmatch import fnmatchcase

from maas_lab.local.gitops.identity import HOME, PROJECT, Id
from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.store import Object

SERVER, IN_CLUSTER = "https://kubernetes.default.svc", "in-cluster"
EVERYTHING = [{"group": "*", "kind": "*"}]
# What Argo CD creates under the name `default` when it is installed.
DEFAULT: Object = {
    "metadata": {"name": "default"},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": EVERYTHING,
    },
}


class Project:
    """What the Applications of a project may do.

    Args:
        obj: the AppProject.
    """

    def __init__(self, obj: Object) -> None:
        self.name = obj["metadata"]["name"]
        self._spec = obj["spec"]

    @classmethod
    def read(cls, client: Client, name: str) -> Project | None:
        """Return the project of a name, or None."""
        found = client.get(PROJECT, HOME, name) or (DEFAULT if name == "default" else None)
        return cls(found) if found else None

    @property
    def orphans(self) -> Object | None:
        """How orphaned resources are watched; None where they are not."""
        return self._spec.get("orphanedResources")

    @property
    def has_windows(self) -> bool:
        """Whether it says when its Applications may sync, which nobody here heeds."""
        return bool(self._spec.get("syncWindows"))

    def permits_application(self, namespace: str) -> bool:
        """Tell whether Applications of a namespace may use the project."""
        return namespace == HOME or _fits(self._spec.get("sourceNamespaces") or [], namespace)

    def permits_repository(self, address: str) -> bool:
        """Tell whether a repository may be a source."""
        return _fits(self._spec.get("sourceRepos") or [], address)

    def permits_destination(self, namespace: str) -> bool:
        """Tell whether objects may go into a namespace of this cluster; `!` before a pattern forbids what fits."""
        allowed = False
        for one in self._spec.get("destinations") or []:
            here = one.get("server") or "", one.get("name") or ""
            denied = any(text.startswith("!") for text in (*here, one.get("namespace") or ""))
            server, name, wanted = (text.removeprefix("!") for text in (*here, one.get("namespace") or ""))
            is_here = fnmatchcase(SERVER, server) if server else fnmatchcase(IN_CLUSTER, name)
            if is_here and fnmatchcase(namespace, wanted):
                if denied:
                    return False
                allowed = True
        return allowed

    def permits_kind(self, one: Id, *, namespaced: bool) -> bool:
        """Tell whether objects of a kind may be made: in namespaces what is not excluded, else only what is listed."""
        if namespaced:
            listed = self._spec.get("namespaceResourceWhitelist")
            allowed = listed is None or _names(listed, one)
            return allowed and not _names(self._spec.get("namespaceResourceBlacklist") or [], one)
        allowed = _names(self._spec.get("clusterResourceWhitelist") or [], one)
        return allowed and not _names(self._spec.get("clusterResourceBlacklist") or [], one)

    def refusal(self, one: Id, *, namespaced: bool) -> str:
        """Return why an object is not allowed, empty if it is."""
        if not self.permits_kind(one, namespaced=namespaced):
            return f"resource {one.group}:{one.kind} is not permitted in project {self.name}"
        if namespaced and not self.permits_destination(one.namespace):
            return f"namespace {one.namespace} is not permitted in project '{self.name}'"
        return ""

    def ignores_orphan(self, one: Id) -> bool:
        """Tell whether nobody need be told that an object is orphaned."""
        if (one.kind, one.name) in (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")):
            return True
        for ignored in (self.orphans or {}).get("ignore") or []:
            wanted = ignored.get("group") or "", ignored.get("kind") or "*", ignored.get("name") or "*"
            if all(fnmatchcase(*pair) for pair in zip((one.group, one.kind, one.name), wanted, strict=True)):
                return True
        return not self.permits_kind(one, namespaced=True)


def _fits(patterns: list[str], text: str) -> bool:
    """Tell whether a pattern fits, and none of those that begin with `!`."""
    if any(one.startswith("!") and fnmatchcase(text, one[1:]) for one in patterns):
        return False
    return any(fnmatchcase(text, one) for one in patterns)


def _names(listed: list[Object], one: Id) -> bool:
    return any(
        fnmatchcase(one.group, kind["group"])
        and fnmatchcase(one.kind, kind["kind"])
        and fnmatchcase(one.name, kind.get("name") or "*")
        for kind in listed
    )
