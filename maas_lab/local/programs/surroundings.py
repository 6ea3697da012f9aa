"""What the local cluster says of itself besides its images: API server, node, network, slots and prices."""

from __future__ import annotations

from maas_lab.local.images import Runs
from maas_lab.local.kubelet.node import SLOT
from maas_lab.settings import Prices

_TOLD = {
    "kubernetes": Runs(
        "an API server of this lab, one process of this machine",
        "stand-in",
        "it serves the kinds that the lessons use, and its answers are held against recordings of a real one",
    ),
    "node": Runs(
        "this machine: pods are its processes, not containers",
        "stand-in",
        "an image's name stands for a program that is installed here; other images cannot be pulled",
    ),
    "network": Runs(
        "one forwarder in place of kube-proxy and router",
        "stand-in",
        "pods have loopback ports, and a Route is plain HTTP on a port of its own",
    ),
    SLOT: Runs(
        "a number that the scheduler counts; there is no such device",
        "simulation",
        "so that waiting for a GPU can be seen without one",
    ),
}
_SET = Runs("what the gateway charges in this lab", "real", "set in config.toml of the lab's home")
_OWN = Runs(
    "what the gateway charges in this lab",
    "stand-in",
    "a thousand times a hosted price, so that a lesson's few calls add up to cents and dollars",
)


def told(prices: Prices) -> dict[str, Runs]:
    """Return what runs under each name that is no image.

    Args:
        prices: those that the model is registered with.
    """
    return {**_TOLD, "prices": _OWN if prices == Prices() else _SET}
