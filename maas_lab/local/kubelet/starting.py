"""Make everything that a container's process needs: variables, ports, folders, a program, checks and a mark."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from maas_lab.errors import LabError
from maas_lab.local.images import Container, Image, Program
from maas_lab.local.kube.store import Object
from maas_lab.local.kubelet.checks import checks
from maas_lab.local.kubelet.environment import variables
from maas_lab.local.kubelet.lookup import Lookup, Missing
from maas_lab.local.kubelet.tools import Tools, Waiting
from maas_lab.local.kubelet.volumes import mounts
from maas_lab.local.probes import Check, is_free
from maas_lab.local.processes import Mark, fingerprint

AGAIN_S = 10.0  # until a program that could not be made is tried again


@dataclass(frozen=True)
class Start:
    """What a worker needs to run one container."""

    program: Program
    mark: Mark
    checks: tuple[Check, ...]


def prepare(tools: Tools, pod: Object, container: Object, image: Image, folders: Mapping[str, Path]) -> Start:
    """Return what is needed to run a container; nothing is started.

    Raises:
        Waiting: something that the container refers to is not there.
    """
    metadata, name = pod["metadata"], container["name"]
    lookup = Lookup(tools.client, metadata["namespace"])
    ports = {number: tools.ports.of("pod", metadata["uid"], str(number)) for number in image.ports}

    def resolve(text: str) -> str:
        return tools.names.resolve(text, metadata["namespace"])

    try:
        env = variables(pod, container, lookup, resolve)
        folder = tools.volumes.folder(pod) / "containers" / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        program = image.program(Container(env, ports, mounts(container, folders, env), folder))
    except Missing as error:
        event = ("Warning", "Failed", f"Error: {error}")
        raise Waiting("CreateContainerConfigError", str(error), None, event) from error
    except (LabError, OSError) as error:
        event = ("Warning", "Failed", f"Error: {error}")
        raise Waiting("CreateContainerError", str(error), AGAIN_S, event) from error
    addresses = [resolve(one.get("value") or "") for one in container.get("env") or ()]
    way = fingerprint(container, sorted(ports.items()), addresses)
    mark = Mark(f"{metadata['uid']}/{name}", way, program.stop_signal, tools.home)
    return Start(program, mark, tuple(checks(container, ports, program)))


def free_ports(tools: Tools, uid: str, image: Image, taken: Collection[int]) -> None:
    """Give a pod other ports in place of those that a stranger has taken.

    Args:
        tools: of the kubelet.
        uid: of the pod.
        image: whose ports are meant.
        taken: ports of the pod's own running containers: a second process for one of them fails, as it does anywhere.
    """
    for number in image.ports:
        name = ("pod", uid, str(number))
        if number not in taken and not is_free(tools.ports.of(*name)):
            tools.ports.release(*name)
