"""One pod: its volumes, its containers, its status and its end."""

from __future__ import annotations

from pathlib import Path

from maas_lab.local.kube import deletion
from maas_lab.local.kube.controllers.client import POD
from maas_lab.local.kube.controllers.common import is_ended
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import stamp
from maas_lab.local.kubelet import statuses
from maas_lab.local.kubelet.container import ContainerRun
from maas_lab.local.kubelet.lookup import Missing
from maas_lab.local.kubelet.tools import Tools
from maas_lab.local.processes import Leftovers

FIRST_MOUNT_S, LONGEST_MOUNT_S = 0.5, 122.0


class PodRun:
    """One pod on the node; it belongs to the event loop's thread."""

    def __init__(self, tools: Tools, objects: Objects, pod: Object) -> None:
        self._tools, self._objects, self.pod = tools, objects, pod
        self.uid = pod["metadata"]["uid"]
        self.containers = [ContainerRun(tools, pod, one["name"]) for one in pod["spec"]["containers"]]
        self._folders: dict[str, Path] | None = None  # of its volumes, once they are mounted
        self._mount_s = FIRST_MOUNT_S
        self._is_new = True

    @property
    def is_running(self) -> bool:
        """Tell whether a process of the pod runs."""
        return any(one.worker for one in self.containers)

    @property
    def processes(self) -> dict[str, int]:
        """The process of each running container, by its name."""
        states = {one.name: one.state for one in self.containers if one.worker}
        return {name: state.pid for name, state in states.items() if state.pid and state.ended_at is None}

    @property
    def grace_s(self) -> float:
        """How long the pod may take to end."""
        own = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        return float(self.pod["metadata"].get("deletionGracePeriodSeconds", own))

    def sync(self, pod: Object) -> float | None:
        """Bring the pod nearer to what it should be, and return after how many seconds to look again."""
        self._update(pod)
        if pod["metadata"].get("deletionTimestamp"):
            self._terminate()
            return None
        if is_ended(pod):
            return None
        self._tell_what_is_ignored()
        again_s = self._mount()
        pauses = [] if again_s is None else [again_s]
        if self._folders is not None:
            pauses += [pause for one in self.containers if (pause := self._sync(one)) is not None]
        self.report()
        return min(pauses, default=None)

    def adopt(self, left: Leftovers) -> None:
        """Go on with the processes that an earlier daemon has left."""
        self._is_new = False
        if is_ended(self.pod):
            return
        self._mount()
        for one in self.containers:
            one.adopt(self._folders or {}, left)

    def report(self, *, over: bool = False) -> None:
        """Write the pod's status."""
        for one in self.containers:
            one.observe()
        told = [one.container_status for one in self.containers]
        mounted = self._folders is not None
        status = statuses.pod(self.pod, told, stamp(self._tools.clock()), mounted=mounted, over=over)
        self.pod = self._tools.client.update_status(POD, self.pod, status)

    def end(self, grace_s: float, *, pause: bool) -> None:
        """Ask all processes to end."""
        for one in self.containers:
            one.end(grace_s, pause=pause)

    def join(self) -> None:
        """Wait until all processes have ended."""
        for one in self.containers:
            if one.worker:
                one.worker.join()

    def vanish(self) -> bool:
        """End the processes of a pod that is in the store no more, and tell whether all is done."""
        for one in self.containers:
            one.observe()
        self.end(1.0, pause=False)
        if self.is_running:
            return False
        self._clear()
        return True

    def _update(self, pod: Object) -> None:
        self.pod = pod
        for one in self.containers:
            one.update(pod)

    def _sync(self, one: ContainerRun) -> float | None:
        others = {port for other in self.containers if other is not one for port in other.serves}
        return one.sync(self._folders or {}, others)

    def _mount(self) -> float | None:
        """Make the folders of the volumes; a running pod keeps what it has where that fails."""
        try:
            self._folders = self._tools.volumes.mount(self.pod)
        except Missing as error:
            self._tools.events.warning(self.pod, "FailedMount", str(error))
            self._mount_s, pause = min(LONGEST_MOUNT_S, self._mount_s * 2), self._mount_s
            return pause
        self._mount_s = FIRST_MOUNT_S
        return None

    def _tell_what_is_ignored(self) -> None:
        starters = [one["name"] for one in self.pod["spec"].get("initContainers") or ()]
        if self._is_new and starters:
            told = f"init containers never run on the local cluster: {', '.join(starters)}"
            self._tools.events.warning(self.pod, "InitContainersIgnored", told)
        self._is_new = False

    def _terminate(self) -> None:
        for one in self.containers:
            one.observe()
        self.end(self.grace_s, pause=True)
        if self.is_running:
            self.report()
            return
        self.report(over=True)
        self._clear()
        target = Target(POD, self.pod["metadata"]["namespace"], self.pod["metadata"]["name"])
        deletion.delete(self._objects, target, deletion.DeleteOptions(grace_s=0, uid=self.uid))

    def _clear(self) -> None:
        self._tools.volumes.remove(self.uid)
        self._tools.ports.release("pod", self.uid)
