"""The kubelet of the one node: it runs the containers of pods as processes and reports how they are.

kubelet       watches pods, and gives each its turn
pod           one pod: its volumes, its containers, its end
container     one container: pulled, configured, started, restarted with back-off
pulls         images that are downloaded when first asked for
environment   the variables of a container
volumes       folders for mounts
checks        probes of a manifest as checks of a process
statuses      the status of a pod
logs          the lines of a container
node          the node itself
"""

from maas_lab.local.kubelet.kubelet import Kubelet

__all__ = ["Kubelet"]
