"""Watch the pods of the one node and give each its turn; processes run in threads, the rest on the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path

from maas_lab.local.images import Catalogue
from maas_lab.local.kube.controllers.client import CLAIM, CONFIG_MAP, NODE, POD, SECRET, Client
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.controllers.work import Clock, Work, utc
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.status import bad_request
from maas_lab.local.kube.store import DELETED, Change, Key, Object
from maas_lab.local.kube.texts import stamp
from maas_lab.local.kubelet import logs, node
from maas_lab.local.kubelet.lookup import NODE_NAME
from maas_lab.local.kubelet.metrics import Metrics
from maas_lab.local.kubelet.pod import PodRun
from maas_lab.local.kubelet.pulls import Pulls
from maas_lab.local.kubelet.tools import Names, Tools
from maas_lab.local.kubelet.volumes import Volumes
from maas_lab.local.network.ports import Ports
from maas_lab.local.processes import Leftovers

NAME = "kubelet"
VERDICT_S = 2.0  # how long the first probes of adopted processes are waited for
NODE_KEY = Key(NODE.resource, "", NODE_NAME)


class Kubelet:
    """Runs the pods of a home.

    `begin` before the API serves, `run` beside it, `stop` before the daemon ends.

    Args:
        objects: the writes of the API.
        catalogue: the images that there are.
        ports: the loopback ports of pods.
        names: where Services are reached.
        home: the lab's home; pods are kept in `pods`, claims in `volumes`.
        clock: tells the time.
    """

    def __init__(
        self, objects: Objects, catalogue: Catalogue, ports: Ports, names: Names, home: Path, clock: Clock = utc
    ) -> None:
        self._objects, self._catalogue, self._home, self._clock = objects, catalogue, home, clock
        self._client = Client(objects, NAME)
        events = Recorder(self._client, NAME, clock, NODE_NAME)
        pulls = Pulls(catalogue, lambda: self._post(self._look_at_all))
        self._volumes = Volumes(self._client, home)
        self._tools = Tools(
            self._client, events, pulls, ports, names, self._volumes, home, clock, self._wake, self._post
        )
        self._runs: dict[str, PodRun] = {}
        self._metrics = Metrics()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._posted: deque[tuple[Callable[..., None], tuple]] = deque()  # before there is a loop
        self._work: Work | None = None
        self._is_stopping = False

    def begin(self, left: Leftovers) -> None:
        """Adopt the processes of an earlier daemon, and make every stored status true again.

        Args:
            left: what that daemon left; the caller ends what nobody takes.
        """
        node.report(self._client, self._catalogue, self._home, stamp(self._clock()))
        pods = [pod for pod in self._client.list(POD) if _is_here(pod)]
        self._volumes.sweep(pod["metadata"]["uid"] for pod in pods)
        for pod in pods:
            run = self._runs[pod["metadata"]["uid"]] = PodRun(self._tools, self._objects, pod)
            run.adopt(left)
        for run in self._runs.values():
            for one in run.containers:
                if one.worker:
                    one.worker.wait_for_verdict(VERDICT_S)
            run.report()
        self._work = Work(self._objects.store, [self], self._clock)

    async def run(self) -> None:
        """Work until cancelled."""
        self._loop = asyncio.get_running_loop()
        while self._posted:
            call, arguments = self._posted.popleft()
            call(*arguments)
        self._look_at_all()
        await self._work.run()

    async def stop(self) -> None:
        """End all processes, those that others keep their data with last, and say in every pod's status that it ended.

        No `preStop` pause is kept: there is no rolling update that it could help.
        """
        self._is_stopping = True
        for is_last in (False, True):
            runs = [run for run in self._runs.values() if _keeps_data(run.pod) == is_last]
            for run in runs:
                run.end(run.grace_s, pause=False)
            await asyncio.gather(*(asyncio.to_thread(run.join) for run in runs))
            for run in runs:
                self._report_end(run)

    def logs(self, pod: Object, container: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Return the lines of a container; the hook of the API.

        Raises:
            ApiError: 400, there are none yet, or they cannot be shown as asked.
        """
        how, name = logs.wanted(query), pod["metadata"]["name"]
        if not pod["spec"].get("nodeName"):
            raise bad_request(f"pod {name} does not have a host assigned")
        run = self._runs.get(pod["metadata"]["uid"])
        one = next((one for one in run.containers if one.name == container), None) if run else None
        if one is None:
            raise logs.not_started(name, container, {"reason": "ContainerCreating"})
        instance = one.instance(previous=how.previous)
        if instance is None and how.previous:
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        if instance is None:
            raise logs.not_started(name, container, one.waiting or {"reason": "ContainerCreating"})
        return logs.stream(one.log(instance), how, lambda: one.worker is None or one.number != instance)

    def usage(self, pods: list[Object]) -> list[Object]:
        """Return the PodMetrics of those of some pods that run; the hook of the API."""
        running = {uid: run.processes for uid, run in self._runs.items()}
        self._metrics.keep(pid for found in running.values() for pid in found.values())
        return self._metrics.of((pod, running.get(pod["metadata"]["uid"], {})) for pod in pods)

    def log_of(self, pod: Object) -> Path | None:
        """Return the file that the first container of a pod writes to, None before there is one."""
        run = self._runs.get(pod["metadata"]["uid"])
        return run.containers[0].log(max(0, run.containers[0].number)) if run else None

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield a changed pod; those that may use a changed Secret or ConfigMap; a claim or node that is gone."""
        resource = change.key.resource
        if resource == POD.resource:
            yield change.key
        elif resource in (SECRET.resource, CONFIG_MAP.resource):
            yield from (key for run in self._runs.values() if (key := _key(run.pod)).namespace == change.key.namespace)
        elif change.type == DELETED and resource == CLAIM.resource:
            yield change.key
        elif resource == NODE.resource and change.type != "MODIFIED":
            yield NODE_KEY

    def reconcile(self, key: Key) -> float | None:
        """Give one pod its turn."""
        if key.resource == CLAIM.resource:
            self._volumes.sweep_claims()
            return None
        if key == NODE_KEY:
            node.report(self._client, self._catalogue, self._home, stamp(self._clock()))
            return node.HEARTBEAT_S
        pod = self._client.get(POD, key.namespace, key.name)
        self._let_go(key, pod["metadata"]["uid"] if pod else "")
        if pod is None or not _is_here(pod) or self._is_stopping:
            return None
        uid = pod["metadata"]["uid"]
        if uid not in self._runs:
            self._runs[uid] = PodRun(self._tools, self._objects, pod)
        return self._runs[uid].sync(pod)

    def _let_go(self, key: Key, uid: str) -> None:
        """End what runs for pods that had this name and exist no more."""
        for run in [run for run in self._runs.values() if _key(run.pod) == key and run.uid != uid]:
            if run.vanish():
                del self._runs[run.uid]

    def _report_end(self, run: PodRun) -> None:
        pod = self._client.get(POD, *_key(run.pod)[1:])
        if pod is None or pod["metadata"]["uid"] != run.uid:
            run.vanish()
        elif pod["metadata"].get("deletionTimestamp"):
            run.sync(pod)
        else:
            run.pod = pod
            run.report()

    def _look_at_all(self) -> None:
        for run in self._runs.values():
            self._work.add(_key(run.pod))

    def _wake(self, key: Key) -> None:
        self._post(lambda: self._work.add(key))

    def _post(self, call: Callable[..., None], *arguments: object) -> None:
        """Call a function on the event loop's thread."""
        if self._loop is None:
            self._posted.append((call, arguments))
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)


def _is_here(pod: Object) -> bool:
    return pod["spec"].get("nodeName") == NODE_NAME


def _key(pod: Object) -> Key:
    return Key(POD.resource, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _keeps_data(pod: Object) -> bool:
    """Tell whether a pod is one that others may write to until their own end: a StatefulSet's."""
    return any(one["kind"] == "StatefulSet" for one in pod["metadata"].get("ownerReferences") or ())
