"""The local cluster: the stack as real processes on this machine, for learners without a cluster."""

from maas_lab.local.cluster import LocalCluster

__all__ = ["LocalCluster"]
