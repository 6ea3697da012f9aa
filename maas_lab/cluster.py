"""A Kubernetes cluster as a provider sees it: apply, wait, look at pods, logs and events; any kubeconfig will do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from maas_lab import access, description, diagnosis, rights, waiting
from maas_lab.api import Api
from maas_lab.connection import Connection, Source
from maas_lab.keys import ApiKey
from maas_lab.kinds import Ref, kind, ref
from maas_lab.objects import KubeObject, pod_rows, usage_rows
from maas_lab.tables import Change, EventRow, Permission, PodRow, PodUsage, Table, Text
from maas_lab.targets import Target, Targets, each


class Cluster:
    """A cluster and one user of it; nothing is sent before the first call.

    Every method raises a `ClusterError`: `NotAllowed` when a right is missing, `NotFound` when there is no such
    object or kind, `ClusterUnreachable` when nothing answers.

    Args:
        source: a kubeconfig, or several joined by colons; a login; None takes the token of the pod's service account.
        context: of the kubeconfig; its current one when left out.
        namespace: where objects are that do not say so; the context's when left out.
        timeout: seconds to wait for an answer.

    Raises:
        UsageError: there is no such file, context or token.
    """

    def __init__(
        self,
        source: Source,
        context: str | None = None,
        *,
        namespace: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._connection = Connection(source, context, timeout)
        self.api = self._api = Api(self._connection, namespace)
        self.server, self.user, self.namespace = self._connection.server, self._connection.user, self._api.namespace

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Cluster({self.server}, as {self.user})"

    def version(self) -> str:
        """Return the version of the Kubernetes API, e.g. `v1.32.0`."""
        return self._connection.call("GET", "/version").json()["gitVersion"]

    # Change

    def apply(
        self, objects: Targets, namespace: str | None = None, *, dry_run: bool = False, force: bool = False
    ) -> Table[Change]:
        """Create what is not there and change what differs, by server-side apply; namespaces come first.

        It stops at the first object that is refused; what came before stays, and the next apply goes on from there.

        Args:
            objects: objects, one object, or the path of a folder of manifests.
            namespace: for objects that do not say where they belong; for all objects of a folder.
            dry_run: let the cluster check everything and change nothing.
            force: take over fields that others own.

        Raises:
            Rejected: an object is wrong; every cause is told.
            Conflict: others own fields of an object.
            UsageError: this is no object, or it belongs in another namespace.
        """
        placed = [(ref(body, namespace), body) for body in each(objects, namespace)]
        placed.sort(key=lambda pair: pair[0].kind.name != "Namespace")
        changes = Table(Change)
        for wanted, body in placed:
            place = self._api.placed(wanted)
            changes.append(Change.of(place, self._api.apply(place, body, dry_run=dry_run, force=force)))
        return changes

    def delete(
        self, objects: Targets, namespace: str | None = None, *, wait: bool = True, timeout: float = 120
    ) -> Table[Change]:
        """Delete objects and what belongs to them, the last one first, namespaces at the end; absent ones are fine.

        Args:
            objects: objects, names like `deployment/litellm`, or the path of a folder of manifests.
            namespace: where they are when they do not say so themselves.
            wait: come back only when all of them are gone.
            timeout: seconds to wait.

        Raises:
            TookTooLong: some are still there.
        """
        places = self._places(objects, namespace)[::-1]
        places.sort(key=lambda place: place.kind.name == "Namespace")
        changes, uids = Table(Change), {}
        for place in places:
            uids[place] = self._api.delete(place, foreground=wait)
            changes.append(Change.of(place, "deleted" if uids[place] else "absent"))
        if wait:
            waiting.until_gone(self._api, places, timeout, uids)
        return changes

    # Wait

    def wait_ready(
        self,
        objects: Targets,
        timeout: float = 300,
        progress: Callable[[str], object] | None = None,
        namespace: str | None = None,
    ) -> None:
        """Wait until objects are ready: Deployments, StatefulSets, InferenceServices and Pods; others must exist.

        Args:
            objects: objects, names like `deployment/litellm`, or the path of a folder of manifests.
            timeout: seconds to wait for all of them.
            progress: called with a line whenever an object gets on, e.g. `print`.
            namespace: where they are when they do not say so themselves.

        Raises:
            NotFound: not one of them is there for 20 seconds, so nobody makes them.
            TookTooLong: some are not ready; why says what their conditions, events and logs tell.
        """
        waiting.until_ready(self._api, self._places(objects, namespace), timeout, progress)

    def wait_gone(self, objects: Targets, timeout: float = 120, namespace: str | None = None) -> None:
        """Wait until objects, e.g. `namespace/mine`, are gone.

        Args:
            objects: as in `wait_ready`.
            timeout: seconds to wait for all of them.
            namespace: where they are when they do not say so themselves.

        Raises:
            TookTooLong: some are still there; why says what holds them.
        """
        waiting.until_gone(self._api, self._places(objects, namespace), timeout)

    def wait_stuck(self, namespace: str | None = None, timeout: float = 60) -> PodRow:
        """Wait until a pod cannot get on by itself, e.g. for `ImagePullBackOff`, and return its row.

        Args:
            namespace: where.
            timeout: seconds to wait.

        Raises:
            TookTooLong: no pod is stuck.
        """
        return waiting.until_stuck(lambda: self.pods(namespace), namespace or self.namespace, timeout)

    # Look

    def get(
        self, kind_name: str, name: str, namespace: str | None = None, api_version: str | None = None
    ) -> KubeObject:
        """Return an object as the cluster has it: a dictionary that prints as one line.

        Args:
            kind_name: e.g. `Deployment`, `deployments` or `deploy`.
            name: of the object.
            namespace: where it is.
            api_version: of a kind that is not among the lab's.
        """
        return self._api.get(self._api.placed(Ref(kind(kind_name, api_version), name, namespace or "")))

    def list(
        self,
        kind_name: str,
        namespace: str | None = None,
        *,
        selector: str | None = None,
        fields: str | None = None,
        api_version: str | None = None,
    ) -> list[KubeObject]:
        """Return the objects of a kind, by name.

        Args:
            kind_name: e.g. `Pod`, `pods` or `po`.
            namespace: where they are; `*` is everywhere.
            selector: of labels, e.g. `app=litellm`.
            fields: a field selector, e.g. `metadata.name=litellm`.
            api_version: of a kind that is not among the lab's.
        """
        place = self._api.placed(Ref(kind(kind_name, api_version), "", namespace or ""))
        return self._api.items(place, selector, fields)

    def pods(self, namespace: str | None = None) -> Table[PodRow]:
        """Return one row per pod of a namespace, by name."""
        return pod_rows(self.list("Pod", namespace))

    def top(self, namespace: str | None = None, selector: str | None = None) -> Table[PodUsage]:
        """Return the memory and CPU that the running pods of a namespace use now, by name, as `kubectl top pods` does.

        A cluster measures four times a minute: a new pod has no row before.

        Args:
            namespace: where.
            selector: of labels, e.g. `app=litellm`.
        """
        return usage_rows(self.list("PodMetrics", namespace, selector=selector))

    def logs(
        self,
        pod: str,
        namespace: str | None = None,
        *,
        previous: bool = False,
        tail: int | None = None,
        container: str | None = None,
    ) -> Text:
        """Return what a container has written.

        Args:
            pod: its name, or a workload like `deployment/litellm`, whose first pod by name is taken.
            namespace: where it is.
            previous: of the container's last run, the one before its restart.
            tail: only so many lines from the end.
            container: its name; needed where a pod has several.
        """
        owner = ref(pod if "/" in pod else f"pod/{pod}", namespace)
        place = diagnosis.first_pod(self._api, self._api.placed(owner))
        return diagnosis.log(self._api, place, previous=previous, tail=tail, container=container)

    def events(self, namespace: str | None = None, of: Target | None = None) -> Table[EventRow]:
        """Return what happened in a namespace, or to one object of it, the oldest first.

        Args:
            namespace: where.
            of: an object, or a name like `pod/litellm-0`.
        """
        if of is None:
            return diagnosis.events(self._api, namespace or self.namespace)
        place = self._api.placed(ref(of, namespace))
        return diagnosis.events(self._api, place.namespace, place)

    def describe(self, kind_name: str, name: str, namespace: str | None = None, api_version: str | None = None) -> Text:
        """Return all about an object: what is wanted, how it is, its pods and its events.

        Args:
            kind_name: e.g. `Deployment`, `deployments` or `deploy`.
            name: of the object.
            namespace: where it is.
            api_version: of a kind that is not among the lab's.
        """
        return description.describe(self._api, self.get(kind_name, name, namespace, api_version))

    def route_url(self, name: str, namespace: str | None = None) -> str:
        """Return the address that a Route gives to a Service, e.g. `https://litellm-maas.apps.example.com`.

        Args:
            name: of the Route.
            namespace: where it is.

        Raises:
            NotFound: there is no such Route, or no router has admitted it.
        """
        return access.route_url(self.get("Route", name, namespace))

    def secret(self, name: str, key: str, namespace: str | None = None) -> ApiKey:
        """Return one value of a Secret, e.g. that of the key `master-key`; it never shows itself.

        Raises:
            NotFound: there is no such Secret, or it has no such key.
        """
        return access.secret(self.get("Secret", name, namespace), key)

    def permissions(self, rules: Iterable[str] = rights.PROVIDER, namespace: str | None = None) -> Table[Permission]:
        """Ask the cluster what the user may do; a missing right comes with the command that gives it.

        Args:
            rules: verb and plural, e.g. `patch deployments.apps`, `get pods/log`; a provider's when left out.
            namespace: where; `*` is the whole cluster.

        Raises:
            UsageError: a rule does not look like that.
        """
        return rights.permissions(self._api, rules, namespace)

    def whoami(self) -> str:
        """Return the user's name as the cluster knows it."""
        return rights.whoami(self._api)

    def own_namespace(self, prefix: str) -> str:
        """Return a name for a namespace that no other user of this cluster makes: a prefix and the user's name."""
        return access.own_namespace(prefix, self.whoami())

    def _places(self, objects: Targets, namespace: str | None) -> list[Ref]:
        return [self._api.placed(ref(one, namespace)) for one in each(objects, namespace)]
