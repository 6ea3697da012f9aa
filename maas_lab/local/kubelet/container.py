"""One container of a pod: pulled, configured, started as a process, and started again as its pod's policy says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from maas_lab.local.images import Image
from maas_lab.local.kube.controllers.common import read_stamp
from maas_lab.local.kube.store import Key, Object
from maas_lab.local.kube.texts import stamp
from maas_lab.local.kubelet import starting, statuses
from maas_lab.local.kubelet.fetcher import Fetcher
from maas_lab.local.kubelet.logs import tail
from maas_lab.local.kubelet.tools import CREATING, BackOff, Tools, Waiting
from maas_lab.local.processes import LOST, Leftovers
from maas_lab.local.supervisor import Hooks, State, Worker


class ContainerRun:
    """One container, over all of its restarts; it belongs to the event loop's thread.

    Attributes:
        number: of the present or last instance, from 0, which is the count of restarts; -1 before the first.
        worker: runs the present instance; None when none runs.
        ended: how the last instance ended, as `state.terminated` tells it; None while one runs.
        previous: how the one before ended.
        waiting: why no instance runs, as `state.waiting` tells it.
        serves: the image ports of the present instance.
    """

    def __init__(self, tools: Tools, pod: Object, name: str) -> None:
        self._tools, self.name = tools, name
        self.number = -1
        self.worker: Worker | None = None
        self.ended: Object | None = None
        self.previous: Object | None = None
        self.waiting: Object | None = {"reason": CREATING}
        self.serves: Collection[int] = ()
        self.update(pod)
        self._logs = tools.volumes.folder(pod) / "logs" / name
        self._fetcher = Fetcher(tools.pulls, tools.clock, self.tell)
        self._back_off = BackOff()
        self._reference = self.spec["image"]  # of the present instance
        self._is_running = self._is_ending = False
        self._restore()

    def update(self, pod: Object) -> None:
        """Take note of the pod's present state."""
        self.pod = pod
        self.spec = next(one for one in pod["spec"]["containers"] if one["name"] == self.name)

    @property
    def state(self) -> State:
        """What is known of the present instance's process."""
        return self.worker.state if self.worker else State()

    @property
    def container_status(self) -> Object:
        """How the container is, as the pod's status tells it."""
        if self.worker and self._is_running:
            state, last = {"running": {"startedAt": _stamp(self.state.started_at)}}, self.previous
            id_ = _id(self.state.pid)
        elif self.waiting is not None:
            state, last = {"waiting": self.waiting}, self.previous if self.worker else self.ended
            id_ = (last or {}).get("containerID", "")
        else:
            state, last = {"terminated": self.ended}, self.previous
            id_ = self.ended.get("containerID", "")
        return statuses.container(self.spec, state, last, id_, max(0, self.number), self.state)

    def log(self, number: int) -> Path:
        """Return the file with the lines of an instance."""
        return self._logs / f"{number}.log"

    def instance(self, *, previous: bool) -> int | None:
        """Return the number of the instance whose lines are meant, or None where there was none."""
        number = self.number
        if (self.worker and not self._is_running) or (
            previous and (self.worker or self.waiting is None)
        ):  # it has no lines yet
            number -= 1
        return number if number >= 0 else None

    def sync(self, folders: Mapping[str, Path], taken: Collection[int]) -> float | None:
        """Bring the container nearer to what the pod asks for.

        Args:
            folders: of the pod's volumes.
            taken: ports that the pod's other containers serve.

        Returns:
            After how many seconds to look again; None when something else will tell.
        """
        self.observe()
        if self.worker:
            self._restart_if_changed()
        elif self._is_wanted():
            try:
                self._check_back_off()
                self._start(folders, taken)
            except Waiting as waiting:
                self._wait(waiting)
                return waiting.again_s
        return None

    def observe(self) -> None:
        """Take note of what the process has done."""
        if self.worker is None:
            return
        state = self.worker.state
        if state.pid and not self._is_running:
            self._is_running = True
            self.tell("Normal", "Started", f"Started container {self.name}")
        if state.ended_at is not None:
            self.ended = self._terminated(state)
            self.worker, self.waiting, self.serves, self._is_running = None, None, (), False
            if state.reason == "StartError":
                self.tell("Warning", "Failed", f"Error: {state.message}")

    def end(self, grace_s: float, *, pause: bool = True) -> None:
        """Ask the process to end; a later call can only make it sooner.

        Args:
            grace_s: after that it is killed.
            pause: wait before as long as the container's `preStop` asks for.
        """
        if self.worker is None:
            return
        if not self._is_ending:
            self._is_ending = True
            self.tell("Normal", "Killing", f"Stopping container {self.name}")
        sleep = ((self.spec.get("lifecycle") or {}).get("preStop") or {}).get("sleep") or {}
        self.worker.stop(max(1.0, grace_s), sleep.get("seconds") or 0 if pause else 0)

    def adopt(self, folders: Mapping[str, Path], left: Leftovers) -> None:
        """Go on with the process that an earlier daemon has left, or note that it is lost."""
        image = self._tools.pulls.find(self.spec["image"])
        try:
            start = starting.prepare(self._tools, self.pod, self.spec, image, folders) if image else None
        except Waiting:
            start = None
        process = left.take(start.mark.name, start.mark.fingerprint) if start else None
        if process is not None:
            self._adopt(process, start, image)
        elif self._stored_state.get("running"):
            at = stamp(self._tools.clock())
            message = "the local cluster was not there when the process ended"
            told = {"exitCode": LOST, "reason": "Unknown", "message": message, "finishedAt": at}
            began = self._stored_state["running"].get("startedAt") or at
            self.ended = {**told, "startedAt": began, "containerID": self._stored.get("containerID", "")}

    def tell(self, type_: str, reason: str, message: str) -> None:
        """Record an event that is about this container."""
        record = self._tools.events.normal if type_ == "Normal" else self._tools.events.warning
        record(self.pod, reason, message, f"spec.containers{{{self.name}}}")

    def _restore(self) -> None:
        """Continue from what the pod's status says."""
        told = (self.pod.get("status") or {}).get("containerStatuses") or ()
        self._stored = next((one for one in told if one["name"] == self.name), {})
        self._stored_state = self._stored.get("state") or {}
        last = (self._stored.get("lastState") or {}).get("terminated")
        if self._stored_state.get("terminated"):
            self.ended, self.previous, self.waiting = self._stored_state["terminated"], last, None
        elif self._stored_state.get("running"):
            self.previous, self.waiting = last, None
        else:
            self.ended = last
        if self._stored.get("containerID") or self.ended or self.waiting is None:
            self.number = self._stored.get("restartCount", 0)

    def _adopt(self, process: psutil.Process, start: starting.Start, image: Image) -> None:
        if self._stored.get("containerID") != _id(process.pid):  # started, and the daemon was killed before it said so
            self.number += 1
            self.previous = self.ended
        self.ended = self.waiting = None
        self._is_running, self.serves = True, image.ports
        self.worker = self._worker(start)
        self.worker.start(process, started=bool(self._stored.get("started")))

    def _is_wanted(self) -> bool:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if self.ended is None or policy == "Always":
            return True
        return policy == "OnFailure" and self.ended["exitCode"] != 0

    def _check_back_off(self) -> None:
        if self.ended is None:
            return
        left = self._back_off.left_s(read_stamp(self.ended["finishedAt"]), self._tools.clock())
        if left <= 0:
            return
        metadata = self.pod["metadata"]
        pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        message = f"back-off {self._back_off.text} restarting failed container={self.name} pod={pod}"
        told = f"Back-off restarting failed container {self.name} in pod {pod}"
        raise Waiting("CrashLoopBackOff", message, left, ("Warning", "BackOff", told))

    def _start(self, folders: Mapping[str, Path], taken: Collection[int]) -> None:
        image = self._fetcher.image(self.spec["image"], self.spec.get("imagePullPolicy", "IfNotPresent"))
        starting.free_ports(self._tools, self.pod["metadata"]["uid"], image, taken)
        start = starting.prepare(self._tools, self.pod, self.spec, image, folders)
        if self.ended is not None:
            self._back_off.next(self._tools.clock())
        self.number += 1
        self.previous, self.ended, self.waiting = self.ended, None, {"reason": CREATING}
        self._reference, self.serves = self.spec["image"], image.ports
        self._is_running = self._is_ending = False
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log(self.number - 2).unlink(missing_ok=True)
        self.worker = self._worker(start)
        self.tell("Normal", "Created", f"Created container: {self.name}")
        self._tell_what_is_ignored()
        self.worker.start()

    def _worker(self, start: starting.Start) -> Worker:
        hooks = Hooks(
            changed=lambda: self._tools.wake(self._key),
            unhealthy=lambda kind, why: self._tools.post(self._unhealthy, kind, why),
            doomed=lambda kind: self._tools.post(self._doomed, kind),
        )
        return Worker(start.mark, start.program, self.log(self.number), start.checks, hooks, self._grace_s)

    @property
    def _grace_s(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    @property
    def _key(self) -> Key:
        return Key("pods", self.pod["metadata"]["namespace"], self.pod["metadata"]["name"])

    def _unhealthy(self, kind: str, why: str) -> None:
        self.tell("Warning", "Unhealthy", f"{kind} probe failed: {why}")

    def _doomed(self, kind: str) -> None:
        self.tell("Normal", "Killing", f"Container {self.name} failed {kind.lower()} probe, will be restarted")

    def _restart_if_changed(self) -> None:
        """End a process whose container has been given another image; it is started anew like any that ends."""
        if self.spec["image"] != self._reference and not self._is_ending:
            self._is_ending = True
            self.tell("Normal", "Killing", f"Container {self.name} definition changed, will be restarted")
            self.worker.stop(self._grace_s)

    def _tell_what_is_ignored(self) -> None:
        """Say once, openly, what of a manifest is not done on the local cluster."""
        hooks = self.spec.get("lifecycle") or {}
        commands = [name for name in ("command", "args") if self.spec.get(name)]
        commands += [name for name, hook in hooks.items() if "sleep" not in hook]
        if commands and self.number == 0:
            told = f"{' and '.join(commands)} of container {self.name} never run on the local cluster: "
            told += f'the catalogue\'s own command line of image "{self._reference}" does'
            self.tell("Warning", "CommandIgnored", told)

    def _wait(self, why: Waiting) -> None:
        before = self.waiting
        self.waiting = {"reason": why.reason, **({"message": why.message} if why.message else {})}
        if self.waiting != before:
            for event in why.events:
                self.tell(*event)

    def _terminated(self, state: State) -> Object:
        told: dict[str, Any] = {"exitCode": state.exit_code, "reason": state.reason}
        told["startedAt"], told["finishedAt"] = _stamp(state.started_at or state.ended_at), _stamp(state.ended_at)
        message = state.message
        if state.exit_code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            message = message or tail(self.log(self.number))
        return {**told, **({"message": message} if message else {}), "containerID": _id(state.pid)}


def _id(pid: int | None) -> str:
    return f"process://{pid}" if pid else ""


def _stamp(seconds: float) -> str:
    return stamp(datetime.fromtimestamp(seconds, UTC))
