"""Faults to practise on: changes that a well-meaning colleague might make."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from maas_lab.cluster import Cluster


def plant(cluster: Cluster, platform: Iterable[Mapping[str, Any]]) -> None:
    """Let a colleague change the gateway, so that its new pod crashes; the old one goes on serving.

    Reading on would spoil exercise 2.5.

    Args:
        cluster: where the platform runs.
        platform: the objects of the infrastructure, as they were applied.
    """
    [gateway] = [one for one in platform if one["kind"] == "Deployment" and one["metadata"]["name"] == "litellm"]
    changed = copy.deepcopy(dict(gateway))
    env = {one["name"]: one for one in changed["spec"]["template"]["spec"]["containers"][0]["env"]}
    env["PROXY_BATCH_WRITE_AT"]["value"] += "s"  # "1s" reads well, and the gateway wants a number
    cluster.apply(changed)
