"""The local control plane as the recorded one was set up: all controllers, one node, and a script for a kubelet.

`python control_plane.py --home FOLDER --schemas FILE`. As in the recording, the script says of every pod that is placed
that it runs and is ready, then of one with the image `grade` that it has succeeded, and of every pod that is to end
that it has ended; nothing is started.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maas_lab.local.kube import deletion
from maas_lab.local.kube.api import Api
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers.client import NODE, POD, Client
from maas_lab.local.kube.controllers.work import Work
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.server import Server
from maas_lab.local.kube.store import Change, Key
from maas_lab.local.kube.texts import now

NAME = "lab-node"
OFFERED = {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "50Gi", "maas-lab.dev/gpu-slot": "2"}
ADDRESS, HOST = "10.1.0.9", "10.0.0.1"


class Script:
    """Reports pods as running."""

    def __init__(self, objects: Objects) -> None:
        self._objects, self._client = objects, Client(objects, "okcm")

    def affected(self, change: Change):
        if change.key.resource == "pods":
            yield change.key

    def reconcile(self, key: Key) -> None:
        pod = self._client.get(POD, key.namespace, key.name)
        if pod is None or not pod["spec"].get("nodeName"):
            return
        if pod["metadata"].get("deletionTimestamp"):
            target = Target(POD, key.namespace, key.name)
            deletion.delete(self._objects, target, deletion.DeleteOptions(grace_s=0))
        elif pod["status"]["phase"] == "Pending":
            self._client.update_status(POD, pod, running(pod))
        elif pod["status"]["phase"] == "Running" and pod["spec"]["containers"][0]["image"].startswith("grade:"):
            self._client.update_status(POD, pod, ended(pod))


def running(pod: dict) -> dict:
    at = now()
    types = ("Initialized", "ContainersReady", "Ready")
    conditions = [{"type": one, "status": "True", "lastTransitionTime": at} for one in types]
    told = {"ready": True, "started": True, "restartCount": 0, "imageID": "", "state": {"running": {"startedAt": at}}}
    return {
        **pod["status"],
        "phase": "Running",
        "hostIP": HOST,
        "podIP": ADDRESS,
        "podIPs": [{"ip": ADDRESS}],
        "startTime": at,
        "conditions": [*pod["status"]["conditions"], *conditions],
        "containerStatuses": [{"name": c["name"], "image": c["image"], **told} for c in pod["spec"]["containers"]],
    }


def ended(pod: dict) -> dict:
    at = now()
    conditions = {one["type"]: one for one in pod["status"]["conditions"]}
    told = {"Initialized": "True", "Ready": "False", "ContainersReady": "False", "PodScheduled": "True"}
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}}
    containers = [{**one, "ready": False, "state": state} for one in pod["status"]["containerStatuses"]]
    phase = {"phase": "Succeeded", "containerStatuses": containers}
    return {
        **pod["status"],
        **phase,
        "conditions": [{**conditions[type_], "status": is_} for type_, is_ in told.items()],
    }


def start(objects: Objects) -> Work:
    client = Client(objects, "lab")
    labels = {f"{prefix}kubernetes.io/os": "linux" for prefix in ("beta.", "")} | {"kubernetes.io/hostname": NAME}
    node = client.get(NODE, "", NAME) or client.create(NODE, {"metadata": {"name": NAME, "labels": labels}})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    times = dict.fromkeys(("lastHeartbeatTime", "lastTransitionTime"), now())
    client.update_status(NODE, node, {"capacity": OFFERED, "allocatable": OFFERED, "conditions": [{**ready, **times}]})
    return Work(objects.store, [Script(objects)])


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--home", "--schemas"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    with Api.opened(given.home, given.schemas) as api:
        work = [controllers.start(api.objects), start(api.objects)]
        api.serve(Server(api.objects, api.tokens, api.accounts, controllers=work))


if __name__ == "__main__":
    main()
