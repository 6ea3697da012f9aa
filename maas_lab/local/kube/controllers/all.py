"""Name the controllers of the cluster, with the managers' names that a real one notes."""

from __future__ import annotations

from maas_lab.local.kube.controllers import serving
from maas_lab.local.kube.controllers.claims import Claims
from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.cluster_roles import ClusterRoles
from maas_lab.local.kube.controllers.deployments import Deployments
from maas_lab.local.kube.controllers.endpoint_slices import EndpointSlices, Reach
from maas_lab.local.kube.controllers.inference_services import Addresses, InferenceServices
from maas_lab.local.kube.controllers.job_cleanup import Finished, LeftPods
from maas_lab.local.kube.controllers.jobs import Jobs
from maas_lab.local.kube.controllers.quotas import ClusterResourceQuotas, ResourceQuotas
from maas_lab.local.kube.controllers.replica_sets import ReplicaSets
from maas_lab.local.kube.controllers.routes import Hosts, Routes, local_host
from maas_lab.local.kube.controllers.scheduler import Scheduler
from maas_lab.local.kube.controllers.stateful_sets import StatefulSets
from maas_lab.local.kube.controllers.work import Clock, Work, utc
from maas_lab.local.kube.lifecycle import Objects

MANAGER, SCHEDULER, ROUTER, KSERVE = "kube-controller-manager", "kube-scheduler", "openshift-router", "manager"
AGGREGATION, POLICY = "clusterrole-aggregation-controller", "cluster-policy-controller"


def start(
    objects: Objects,
    clock: Clock = utc,
    hosts: Hosts = local_host,
    addresses: Addresses = serving.inside,
    reach: Reach | None = None,
) -> Work:
    """Return the work of all controllers on a store; `run` it on the event loop that owns the store.

    Args:
        objects: the writes of the API.
        clock: tells the time.
        hosts: gives a host to a Route that names none.
        addresses: gives the URL of an InferenceService inside the cluster.
        reach: gives the address at which a pod's port is reached from outside.
    """
    manager = Client(objects, MANAGER)
    controllers = (
        Deployments(manager, clock),
        ReplicaSets(manager, clock),
        StatefulSets(manager, clock),
        Jobs(manager, clock),
        LeftPods(manager),
        Finished(manager, clock),
        Claims(manager, clock),
        ClusterRoles(Client(objects, AGGREGATION)),
        ResourceQuotas(manager, objects.store),
        ClusterResourceQuotas(Client(objects, POLICY), objects.store),
        EndpointSlices(manager, clock, reach),
        Scheduler(Client(objects, SCHEDULER), clock),
        Routes(Client(objects, ROUTER), clock, hosts),
        InferenceServices(Client(objects, KSERVE), clock, addresses),
    )
    return Work(objects.store, controllers, clock)
