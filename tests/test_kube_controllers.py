"""The controllers on a store in memory; a kubelet of the test says what becomes of the pods."""

import asyncio
import datetime
import random
from pathlib import Path

import pytest

from maas_lab.local.kube import deletion, expiry
from maas_lab.local.kube.collector import Collector
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers import events, fitting, rollout
from maas_lab.local.kube.controllers.client import (
    CLAIM,
    DEPLOYMENT,
    EVENT,
    INFERENCE_SERVICE,
    NODE,
    POD,
    REPLICA_SET,
    ROUTE,
    SERVICE,
    SERVING_RUNTIME,
    STATEFUL_SET,
    Client,
)
from maas_lab.local.kube.controllers.common import condition, is_ready
from maas_lab.local.kube.controllers.work import Work
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.store import Key, Store
from tests.control_plane import collect, make_ready

NAMESPACE = "o1"
OFFERED = {"cpu": "4", "memory": "16Gi", "pods": "110", "maas-lab.dev/gpu-slot": "2"}
UNPLACED = "0/1 nodes are available: {}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 {}"
NEVER, NOT_NOW = "Preemption is not helpful for scheduling.", "No preemption victims found for incoming pod."


class Cluster:
    """A store with all controllers, a collector, a clock, and a kubelet that is asked for each of its steps."""

    def __init__(self, rules):
        self.objects = Objects(Store(Path(":memory:")), rules)
        self.client = Client(self.objects, "test")
        self.at = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self.work = controllers.start(self.objects, self.clock)
        self.collector = Collector(self.objects)
        self.client.create(of("v1", "Namespace"), {"metadata": {"name": NAMESPACE}})
        node = self.client.create(NODE, {"metadata": {"name": "local"}})
        self.client.update_status(NODE, node, {"allocatable": OFFERED})

    def clock(self):
        return self.at

    def pass_time(self, seconds):
        self.at += datetime.timedelta(seconds=seconds)

    def restart(self):
        """Forget everything but the store."""
        self.work.close()
        self.work = controllers.start(self.objects, self.clock)

    def settle(self):
        """Let all controllers work until nothing is left to do."""
        while self.work.run_until_idle() or self.collect():
            pass

    def collect(self):
        """Let the collector do what changes have left to do, and return how many there were."""
        return collect(self.collector)

    def create(self, kind, name, spec, **metadata):
        return self.client.create(kind, {"metadata": {"name": name, "namespace": NAMESPACE, **metadata}, "spec": spec})

    def get(self, kind, name):
        return self.client.get(kind, NAMESPACE, name)

    def change(self, kind, name, **spec):
        obj = self.get(kind, name)
        return self.client.update(kind, {**obj, "spec": {**obj["spec"], **spec}})

    def pods(self):
        return self.client.list(POD, NAMESPACE)

    def names(self):
        return [pod["metadata"]["name"] for pod in self.pods()]

    def ready(self, pod):
        """Say that a pod runs and serves, as a kubelet does."""
        make_ready(self.client, pod, self.at)

    def end(self, pod):
        """Say that a pod that was to end has ended."""
        target = Target(POD, NAMESPACE, pod["metadata"]["name"])
        deletion.delete(self.objects, target, deletion.DeleteOptions(grace_s=0))

    def kubelet(self, works=lambda pod: True):
        """Do one thing for one placed pod, and tell whether there was anything to do."""
        for pod in self.pods():
            if pod["metadata"].get("deletionTimestamp"):
                self.end(pod)
                return True
            if pod["spec"].get("nodeName") and not is_ready(pod) and works(pod):
                self.ready(pod)
                return True
        return False

    def run(self, works=lambda pod: True, after_each=lambda: None):
        """Let controllers and kubelet work in turn until nothing is left to do."""
        self.settle()
        after_each()
        while self.kubelet(works):
            self.settle()
            after_each()

    def told(self, reason):
        """Return the messages of the events of a reason, in the order in which they were written."""
        found = [one for one in self.client.list(EVENT, NAMESPACE) if one["reason"] == reason]
        return [one["message"] for one in sorted(found, key=lambda one: int(one["metadata"]["resourceVersion"]))]

    def sizes(self, deployment="web"):
        """Return the size of each ReplicaSet of a Deployment by the image of its template."""
        found = self.client.list(REPLICA_SET, NAMESPACE)
        mine = [one for one in found if one["metadata"]["name"].startswith(f"{deployment}-")]
        return {one["spec"]["template"]["spec"]["containers"][0]["image"]: one["spec"]["replicas"] for one in mine}


def template(image="web:1", **spec):
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def workload(replicas=3, image="web:1", **more):
    return {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template(image), **more}


def asking(**requests):
    container = {"name": "c", "image": "web:1", "resources": {"limits": {k: str(v) for k, v in requests.items()}}}
    return {"containers": [container]}


@pytest.fixture
def rules(schemas):
    return Rules(schemas)


@pytest.fixture
def cluster(rules):
    return Cluster(rules)


# Deployments


def test_a_deployment_becomes_available(cluster):
    cluster.create(DEPLOYMENT, "web", workload(2), annotations={"note": "x"})
    cluster.settle()
    found = cluster.get(DEPLOYMENT, "web")
    assert condition(found["status"], "Available")["reason"] == "MinimumReplicasUnavailable"
    cluster.run()
    found = cluster.get(DEPLOYMENT, "web")
    conditions = [(c["type"], c["status"], c["reason"], c["message"]) for c in found["status"].pop("conditions")]
    replica_set = cluster.client.list(REPLICA_SET, NAMESPACE)[0]
    name = replica_set["metadata"]["name"]
    done = f'ReplicaSet "{name}" has successfully progressed.'
    assert conditions == [
        ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        ("Progressing", "True", "NewReplicaSetAvailable", done),
    ]
    numbers = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    assert {**found["status"], "terminatingReplicas": 0} == {
        **numbers,
        "observedGeneration": 1,
        "terminatingReplicas": 0,
    }
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert replica_set["metadata"]["annotations"] == {
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
        "deployment.kubernetes.io/revision": "1",
        "note": "x",
    }
    assert cluster.told("ScalingReplicaSet") == [f"Scaled up replica set {name} from 0 to 2"]
    assert sorted(cluster.told("SuccessfulCreate")) == sorted(f"Created pod: {pod}" for pod in cluster.names())


def test_pods_and_replica_sets_name_their_owners_and_their_hash(cluster):
    cluster.create(DEPLOYMENT, "web", workload(1))
    cluster.settle()
    replica_set, pod = cluster.client.list(REPLICA_SET, NAMESPACE)[0], cluster.pods()[0]
    hashed = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{hashed}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hashed}
    assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": hashed}
    assert pod["metadata"]["generateName"] == f"web-{hashed}-"
    owner = pod["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("ReplicaSet", replica_set["metadata"]["uid"])
    managers = {(one["manager"], one.get("subresource")) for one in pod["metadata"]["managedFields"]}
    assert managers == {("kube-controller-manager", None)}


def test_a_bound_pod_stays_pending(cluster):
    cluster.create(POD, "one", {"containers": [{"name": "c", "image": "i"}]})
    cluster.settle()
    pod = cluster.get(POD, "one")
    assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == ("local", "Pending")
    assert condition(pod["status"], "PodScheduled")["status"] == "True"
    assert pod["metadata"]["generation"] == 1


@pytest.mark.parametrize(("surge", "unavailable"), [("25%", "25%"), (1, 0), (0, 1), ("100%", 0), (0, "50%")])
@pytest.mark.parametrize("replicas", [1, 3, 5])
def test_a_rollout_stays_within_its_limits(cluster, surge, unavailable, replicas):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    cluster.create(DEPLOYMENT, "web", workload(replicas, strategy=rolling))
    cluster.run()
    allowed = rollout.limits(cluster.get(DEPLOYMENT, "web"))
    cluster.change(DEPLOYMENT, "web", template=template("web:2"))

    def check():
        serving = [pod for pod in cluster.pods() if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]
        living = [pod for pod in cluster.pods() if not pod["metadata"].get("deletionTimestamp")]
        assert len(serving) >= allowed.replicas - allowed.unavailable
        assert len(living) <= allowed.replicas + allowed.surge

    cluster.run(after_each=check)
    assert cluster.sizes() == {"web:1": 0, "web:2": replicas}
    assert condition(cluster.get(DEPLOYMENT, "web")["status"], "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_a_rollback_uses_the_old_replica_set_again(cluster):
    cluster.create(DEPLOYMENT, "web", workload(2))
    cluster.run()
    for image in ("web:2", "web:1"):
        cluster.change(DEPLOYMENT, "web", template=template(image))
        cluster.run()
    assert cluster.sizes() == {"web:1": 2, "web:2": 0}
    assert cluster.get(DEPLOYMENT, "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    first = next(one for one in cluster.client.list(REPLICA_SET, NAMESPACE) if one["spec"]["replicas"])
    assert first["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


def test_scaling_up_down_and_to_zero(cluster):
    cluster.create(DEPLOYMENT, "web", workload(1))
    cluster.run()
    for replicas in (4, 2, 0, 1):
        cluster.change(DEPLOYMENT, "web", replicas=replicas)
        cluster.run()
        assert len(cluster.pods()) == replicas
        found = cluster.get(DEPLOYMENT, "web")["status"]
        assert (found.get("replicas", 0), found.get("availableReplicas", 0)) == (replicas, replicas)
        assert condition(found, "Available")["status"] == "True"
    name = cluster.client.list(REPLICA_SET, NAMESPACE)[0]["metadata"]["name"]
    steps = [(0, 1), (1, 4), (4, 2), (2, 0), (0, 1)]
    told = [f"Scaled {'up' if b > a else 'down'} replica set {name} from {a} to {b}" for a, b in steps]
    assert sorted(set(told)) == sorted(cluster.told("ScalingReplicaSet"))
    counts = {one["message"]: one["count"] for one in cluster.client.list(EVENT, NAMESPACE) if "count" in one}
    assert counts[told[0]] == 2


def test_scaling_in_the_middle_of_a_rollout_keeps_the_proportions(cluster):
    cluster.create(DEPLOYMENT, "web", workload(10, strategy={"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}))
    cluster.run()
    cluster.change(DEPLOYMENT, "web", template=template("web:2"))
    cluster.settle()
    assert cluster.sizes() == {"web:1": 8, "web:2": 5}
    cluster.change(DEPLOYMENT, "web", replicas=15)
    cluster.work.step()
    assert cluster.sizes() == {"web:1": 11, "web:2": 7}
    cluster.run()
    assert cluster.sizes() == {"web:1": 0, "web:2": 15}


def test_a_rollout_that_is_stuck_exceeds_its_deadline_and_recovers(cluster):
    cluster.create(DEPLOYMENT, "web", workload(3, progressDeadlineSeconds=30))
    cluster.run()
    cluster.change(DEPLOYMENT, "web", template=template("broken:1"))
    works = lambda pod: pod["spec"]["containers"][0]["image"] != "broken:1"  # noqa: E731
    cluster.run(works)
    assert condition(cluster.get(DEPLOYMENT, "web")["status"], "Progressing")["reason"] == "ReplicaSetUpdated"
    cluster.pass_time(29)
    cluster.run(works)
    assert condition(cluster.get(DEPLOYMENT, "web")["status"], "Progressing")["reason"] == "ReplicaSetUpdated"
    cluster.pass_time(3)
    cluster.run(works)
    found = cluster.get(DEPLOYMENT, "web")["status"]
    stuck = condition(found, "Progressing")
    new = next(one for one in cluster.client.list(REPLICA_SET, NAMESPACE) if not one["status"].get("readyReplicas"))
    assert (stuck["status"], stuck["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert stuck["message"] == f'ReplicaSet "{new["metadata"]["name"]}" has timed out progressing.'
    assert condition(found, "Available")["status"] == "True"
    assert found["availableReplicas"] == 3
    cluster.change(DEPLOYMENT, "web", template=template("web:1"))
    cluster.run(works)
    found = cluster.get(DEPLOYMENT, "web")["status"]
    assert condition(found, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert cluster.sizes() == {"web:1": 3, "broken:1": 0}


def test_recreate_ends_all_old_pods_before_a_new_one_begins(cluster):
    cluster.create(DEPLOYMENT, "web", workload(2, strategy={"type": "Recreate"}))
    cluster.run()
    cluster.change(DEPLOYMENT, "web", template=template("web:2"))

    def check():
        assert len({pod["spec"]["containers"][0]["image"] for pod in cluster.pods()}) <= 1

    cluster.run(after_each=check)
    assert cluster.sizes() == {"web:1": 0, "web:2": 2}


def test_a_paused_deployment_scales_but_does_not_roll_out(cluster):
    cluster.create(DEPLOYMENT, "web", workload(1))
    cluster.run()
    cluster.change(DEPLOYMENT, "web", paused=True, replicas=2, template=template("web:2"))
    cluster.run()
    assert cluster.sizes() == {"web:1": 2}
    paused = condition(cluster.get(DEPLOYMENT, "web")["status"], "Progressing")
    assert (paused["status"], paused["reason"], paused["message"]) == (
        "Unknown",
        "DeploymentPaused",
        "Deployment is paused",
    )
    cluster.change(DEPLOYMENT, "web", paused=False)
    cluster.run()
    assert cluster.sizes() == {"web:1": 0, "web:2": 2}


def test_the_history_is_limited(cluster):
    cluster.create(DEPLOYMENT, "web", workload(1, revisionHistoryLimit=2))
    cluster.run()
    for number in range(2, 7):
        cluster.change(DEPLOYMENT, "web", template=template(f"web:{number}"))
        cluster.run()
    assert cluster.sizes() == {"web:4": 0, "web:5": 0, "web:6": 1}


def test_pods_must_stay_ready_for_a_while_to_be_available(cluster):
    cluster.create(DEPLOYMENT, "web", workload(1, minReadySeconds=20))
    cluster.run()
    assert "availableReplicas" not in cluster.get(DEPLOYMENT, "web")["status"]
    cluster.pass_time(20)
    cluster.run()
    assert cluster.get(DEPLOYMENT, "web")["status"]["availableReplicas"] == 1


def test_a_pod_whose_label_is_changed_is_let_go_and_replaced(cluster):
    cluster.create(DEPLOYMENT, "web", workload(1))
    cluster.run()
    pod = cluster.pods()[0]
    cluster.client.update(POD, {**pod, "metadata": {**pod["metadata"], "labels": {"app": "aside"}}})
    cluster.run()
    assert len(cluster.pods()) == 2
    assert "ownerReferences" not in cluster.get(POD, pod["metadata"]["name"])["metadata"]


def test_what_was_orphaned_is_adopted_again(cluster):
    cluster.create(DEPLOYMENT, "web", workload(2))
    cluster.run()
    names = cluster.names()
    target = Target(DEPLOYMENT, NAMESPACE, "web")
    deletion.delete(cluster.objects, target, deletion.DeleteOptions(policy="Orphan"))
    cluster.run()
    assert cluster.get(DEPLOYMENT, "web") is None
    assert "ownerReferences" not in cluster.client.list(REPLICA_SET, NAMESPACE)[0]["metadata"]
    cluster.create(DEPLOYMENT, "web", workload(2))
    cluster.run()
    assert len(cluster.client.list(REPLICA_SET, NAMESPACE)) == 1
    assert cluster.names() == names


def test_everything_goes_with_its_deployment(cluster):
    cluster.create(DEPLOYMENT, "web", workload(2))
    cluster.run()
    cluster.client.delete(DEPLOYMENT, cluster.get(DEPLOYMENT, "web"))
    cluster.run()
    assert cluster.pods() == cluster.client.list(REPLICA_SET, NAMESPACE) == []


def test_a_namespace_that_ends_takes_its_workloads_along(cluster):
    cluster.create(DEPLOYMENT, "web", workload(2))
    cluster.create(STATEFUL_SET, "db", stateful(2))
    cluster.run()
    namespace = of("v1", "Namespace")
    cluster.client.delete(namespace, cluster.client.get(namespace, "", NAMESPACE))
    cluster.run()
    assert cluster.client.get(namespace, "", NAMESPACE) is None
    assert not [key for key, _ in cluster.objects.store.everything() if key.namespace]


def test_a_namespace_that_is_made_anew_keeps_what_is_in_it(cluster):
    """What its predecessor's end has left to do must not reach it."""
    namespace, config = of("v1", "Namespace"), of("v1", "ConfigMap")
    cluster.create(config, "old", {})
    cluster.settle()
    cluster.client.delete(namespace, cluster.client.get(namespace, "", NAMESPACE))
    while cluster.client.get(namespace, "", NAMESPACE):
        assert collect(cluster.collector, most=1)
    cluster.client.create(namespace, {"metadata": {"name": NAMESPACE}})
    cluster.create(config, "new", {})
    cluster.settle()
    assert [one["metadata"]["name"] for one in cluster.client.list(config, NAMESPACE)] == ["new"]


# Restarts


def summary(cluster):
    """Return the state of the world without what chance and time decide."""
    found = []
    for kind in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, CLAIM):
        for obj in cluster.client.list(kind, NAMESPACE):
            told = {k: v for k, v in obj["status"].items() if k not in ("conditions", "observedGeneration")}
            conditions = [(one["type"], one["status"], one["reason"]) for one in obj["status"].get("conditions", ())]
            found.append((kind.kind, obj["metadata"]["name"], told, sorted(conditions)))
    return found, len(cluster.pods())


def story(cluster, run):
    cluster.create(DEPLOYMENT, "web", workload(3))
    cluster.create(STATEFUL_SET, "db", stateful(2))
    run()
    cluster.change(DEPLOYMENT, "web", template=template("web:2"))
    cluster.change(STATEFUL_SET, "db", template=member("db:2"))
    run()
    cluster.change(DEPLOYMENT, "web", replicas=5)
    cluster.change(STATEFUL_SET, "db", replicas=1)
    run()


class Crash(BaseException):
    """The end of a process, right after a write was kept."""


@pytest.mark.parametrize("seed", range(5))
def test_a_crash_after_any_write_changes_nothing(rules, seed):
    plain, crashing = Cluster(rules), Cluster(rules)
    chance, is_working, crashes = random.Random(seed), [], []

    def crash(change):
        if is_working and chance.random() < 0.15:
            raise Crash

    def step():
        is_working.append(True)
        try:
            return crashing.work.step()
        except Crash as crash:
            crashes.append(crash)
            crashing.restart()
            return True
        finally:
            is_working.clear()

    def run_with_crashes():
        while step() or crashing.collect() or crashing.kubelet():
            pass

    crashing.objects.store.listeners.append(crash)
    story(plain, plain.run)
    story(crashing, run_with_crashes)
    assert crashes
    assert summary(crashing) == summary(plain)


def test_a_restart_of_a_settled_cluster_writes_nothing(cluster):
    story(cluster, cluster.run)
    version = cluster.objects.store.version
    cluster.restart()
    cluster.run()
    assert cluster.objects.store.version == version


def test_work_on_an_event_loop_wakes_up_for_changes_and_for_deadlines(cluster):
    cluster.work.close()
    cluster.work = controllers.start(cluster.objects)  # on the real clock

    async def live():
        running = asyncio.create_task(cluster.work.run())
        await asyncio.sleep(0)
        cluster.create(DEPLOYMENT, "web", workload(1, progressDeadlineSeconds=1))
        while not running.done() and not _is_stuck(cluster):
            await asyncio.sleep(0.02)
        running.cancel()

    asyncio.run(asyncio.wait_for(live(), 20))
    assert _is_stuck(cluster)


class LooksAgain:
    """A controller that has a look at its one key every minute."""

    def affected(self, change):
        return ()

    def reconcile(self, key):
        return 60.0


def test_controllers_end_even_when_something_changes_at_the_same_moment(cluster):
    async def end() -> bool:
        work = Work(cluster.objects.store, [LooksAgain()])
        work.add(Key("nothing", "", ""))
        running = asyncio.create_task(work.run())
        await asyncio.sleep(0.05)
        work.add(Key("nothing", "", ""))
        running.cancel()
        await asyncio.wait([running], timeout=5)
        return running.cancelled()

    assert asyncio.run(end())


def _is_stuck(cluster):
    progress = condition(cluster.get(DEPLOYMENT, "web").get("status", {}), "Progressing")
    return bool(progress) and progress["reason"] == "ProgressDeadlineExceeded"


# StatefulSets


def member(image="db:1"):
    mounts = [{"name": "d", "mountPath": "/d"}]
    containers = [{"name": "c", "image": image, "volumeMounts": mounts}]
    return {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": containers}}


def stateful(replicas=1, **more):
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "serviceName": "db",
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "db"}},
        "template": member(),
        "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": claim}],
        **more,
    }


def test_members_come_one_after_the_other_and_go_from_the_last(cluster):
    cluster.create(STATEFUL_SET, "db", stateful(3))
    seen = []
    cluster.run(after_each=lambda: seen.append(tuple(cluster.names())))
    assert list(dict.fromkeys(seen)) == [("db-0",), ("db-0", "db-1"), ("db-0", "db-1", "db-2")]
    cluster.change(STATEFUL_SET, "db", replicas=1)
    seen.clear()
    cluster.run(after_each=lambda: seen.append(tuple(cluster.names())))
    assert list(dict.fromkeys(seen)) == [("db-0", "db-1", "db-2"), ("db-0", "db-1"), ("db-0",)]
    claims = [one["metadata"]["name"] for one in cluster.client.list(CLAIM, NAMESPACE)]
    assert claims == ["d-db-0", "d-db-1", "d-db-2"]
    assert cluster.told("SuccessfulCreate")[:2] == [
        "Create Claim d-db-0 Pod db-0 in StatefulSet db success",
        "Create Pod db-0 in StatefulSet db successful",
    ]
    assert cluster.told("SuccessfulDelete") == [f"Delete Pod db-{n} in StatefulSet db successful" for n in (2, 1)]


def test_a_member_has_its_name_its_volume_and_its_labels(cluster):
    cluster.create(STATEFUL_SET, "db", stateful())
    cluster.run()
    pod, status = cluster.get(POD, "db-0"), cluster.get(STATEFUL_SET, "db")["status"]
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-0", "db")
    assert pod["spec"]["volumes"] == [{"name": "d", "persistentVolumeClaim": {"claimName": "d-db-0"}}]
    revision = status["currentRevision"]
    assert pod["metadata"]["labels"] == {
        "app": "db",
        "apps.kubernetes.io/pod-index": "0",
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": "db-0",
    }
    numbers = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    assert status == {
        **dict.fromkeys(numbers, 1),
        "observedGeneration": 1,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
    }


def test_a_deleted_member_comes_back_with_its_name_and_volume(cluster):
    cluster.create(STATEFUL_SET, "db", stateful(2))
    cluster.run()
    claim, pod = cluster.get(CLAIM, "d-db-0"), cluster.get(POD, "db-0")
    cluster.client.delete(POD, pod)
    cluster.run()
    assert cluster.get(POD, "db-0")["metadata"]["uid"] != pod["metadata"]["uid"]
    assert cluster.get(CLAIM, "d-db-0")["metadata"]["uid"] == claim["metadata"]["uid"]


def test_a_member_whose_claim_is_deleted_gets_another_one(cluster):
    """The claim stays while its pod runs, and no new pod is made before it is gone."""
    cluster.create(STATEFUL_SET, "db", stateful(1))
    cluster.run()
    claim, pod = cluster.get(CLAIM, "d-db-0"), cluster.get(POD, "db-0")
    cluster.client.delete(CLAIM, claim)
    cluster.run()
    assert cluster.get(CLAIM, "d-db-0")["metadata"]["uid"] == claim["metadata"]["uid"]
    cluster.client.delete(POD, pod)
    cluster.end(pod)
    cluster.work.run_until_idle()  # before the collector lets go of the claim
    assert cluster.pods() == []
    assert cluster.told("FailedCreate") == [
        "Create Pod db-0 in StatefulSet db failed error: pvc d-db-0 is being deleted"
    ]
    cluster.settle()
    cluster.pass_time(1)
    cluster.run()
    assert cluster.get(CLAIM, "d-db-0")["metadata"]["uid"] != claim["metadata"]["uid"]
    assert is_ready(cluster.get(POD, "db-0"))


def test_a_member_that_waits_for_a_claim_that_is_gone_gets_one(cluster):
    cluster.client.delete(NODE, cluster.client.get(NODE, "", "local"))
    cluster.create(STATEFUL_SET, "db", stateful(1))
    cluster.settle()
    claim = cluster.get(CLAIM, "d-db-0")
    cluster.client.delete(CLAIM, claim)
    cluster.settle()
    assert cluster.get(CLAIM, "d-db-0") is None
    node = cluster.client.create(NODE, {"metadata": {"name": "local"}})
    cluster.client.update_status(NODE, node, {"allocatable": OFFERED})
    cluster.run()
    assert cluster.get(CLAIM, "d-db-0")["metadata"]["uid"] != claim["metadata"]["uid"]
    assert is_ready(cluster.get(POD, "db-0"))


def test_members_are_replaced_from_the_last_and_wait_for_one_that_does_not_work(cluster):
    cluster.create(STATEFUL_SET, "db", stateful(3))
    cluster.run()
    cluster.change(STATEFUL_SET, "db", template=member("broken:1"))
    cluster.run(lambda pod: pod["spec"]["containers"][0]["image"] != "broken:1")
    images = [pod["spec"]["containers"][0]["image"] for pod in cluster.pods()]
    assert images == ["db:1", "db:1", "broken:1"]
    status = cluster.get(STATEFUL_SET, "db")["status"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)
    assert status["currentRevision"] != status["updateRevision"]


def test_members_in_parallel_do_not_wait(cluster):
    cluster.create(STATEFUL_SET, "db", stateful(3, podManagementPolicy="Parallel"))
    cluster.settle()
    assert cluster.names() == ["db-0", "db-1", "db-2"]


# Claims


def test_a_claim_is_bound_at_once(cluster):
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    cluster.create(CLAIM, "data", wanted)
    cluster.create(CLAIM, "manual", {**wanted, "storageClassName": ""})
    cluster.settle()
    claim = cluster.get(CLAIM, "data")
    assert claim["spec"]["volumeName"] == f"pvc-{claim['metadata']['uid']}"
    assert claim["status"] == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}}
    assert cluster.get(CLAIM, "manual")["status"]["phase"] == "Pending"
    assert cluster.told("FailedBinding") == [
        "no persistent volumes available for this claim and no storage class is set"
    ]


# The scheduler


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (asking(**{"nvidia.com/gpu": 1}), UNPLACED.format("1 Insufficient nvidia.com/gpu", NEVER)),
        (asking(memory="900Gi"), UNPLACED.format("1 Insufficient memory", NEVER)),
        (asking(memory="900Gi", cpu=9), UNPLACED.format("1 Insufficient cpu, 1 Insufficient memory", NEVER)),
        (
            {**asking(cpu=1), "nodeSelector": {"nvidia.com/gpu.present": "true"}},
            UNPLACED.format("1 node(s) didn't match Pod's node affinity/selector", NEVER),
        ),
        (
            {**asking(), "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "manual"}}]},
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
        ),
    ],
)
def test_a_pod_without_a_place_is_told_why(cluster, spec, why):
    waiting = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, "storageClassName": ""}
    cluster.create(CLAIM, "manual", waiting)
    cluster.create(POD, "big", spec)
    cluster.settle()
    pod = cluster.get(POD, "big")
    told = condition(pod["status"], "PodScheduled")
    assert (told["status"], told["reason"], told["message"]) == ("False", "Unschedulable", why)
    assert pod["status"]["phase"] == "Pending"
    assert cluster.told("FailedScheduling") == [why]
    managers = {(one["manager"], one.get("subresource")) for one in pod["metadata"]["managedFields"]}
    assert ("kube-scheduler", "status") in managers


def test_a_place_that_becomes_free_is_given_to_the_next(cluster):
    slots = {**template(), "spec": asking(**{"maas-lab.dev/gpu-slot": 1})}
    cluster.create(DEPLOYMENT, "web", workload(3, template=slots))
    cluster.run()
    placed = [pod for pod in cluster.pods() if "nodeName" in pod["spec"]]
    waiting = next(pod for pod in cluster.pods() if "nodeName" not in pod["spec"])
    assert len(placed) == 2
    why = UNPLACED.format("1 Insufficient maas-lab.dev/gpu-slot", NOT_NOW)
    assert condition(waiting["status"], "PodScheduled")["message"] == why
    cluster.change(DEPLOYMENT, "web", replicas=2)
    cluster.run()
    assert all("nodeName" in pod["spec"] for pod in cluster.pods())
    cluster.create(POD, "late", asking(**{"maas-lab.dev/gpu-slot": 1}))
    cluster.settle()
    assert "nodeName" not in cluster.get(POD, "late")["spec"]
    cluster.change(DEPLOYMENT, "web", replicas=1)
    cluster.run()
    late = cluster.get(POD, "late")
    assert late["spec"]["nodeName"] == "local"
    assert condition(late["status"], "PodScheduled")["status"] == "True"


def test_a_node_that_grows_takes_what_waited(cluster):
    cluster.create(POD, "big", asking(cpu=6))
    cluster.settle()
    node = cluster.client.get(NODE, "", "local")
    cluster.client.update_status(NODE, node, {"allocatable": {**OFFERED, "cpu": "8"}})
    cluster.settle()
    assert cluster.get(POD, "big")["spec"]["nodeName"] == "local"


def test_a_pod_asks_for_its_containers_or_its_greediest_start():
    spec = {
        "containers": [{"resources": {"requests": {"cpu": "100m"}}}, {"resources": {"requests": {"cpu": "1"}}}],
        "initContainers": [
            {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}},
            {"resources": {"requests": {"cpu": "200m"}}, "restartPolicy": "Always"},
        ],
    }
    found = fitting.requests(spec)
    assert {name: float(value) for name, value in found.items()} == {"cpu": 1.3, "memory": 2**30}


# Events


def test_events_are_counted_and_many_similar_ones_combined(cluster):
    recorder = events.Recorder(cluster.client, "tester", cluster.clock)
    obj = cluster.create(POD, "one", asking())
    for number in range(12):
        recorder.normal(obj, "Tested", f"number {number}")
    recorder.normal(obj, "Tested", "number 11")
    for _ in range(3):
        recorder.warning(obj, "Failed", "again")
    found = [one for one in cluster.client.list(EVENT, NAMESPACE) if one["source"].get("component") == "tester"]
    counts = {one["message"]: one["count"] for one in found}
    single = {f"number {number}": 1 for number in range(9)}
    assert counts == {**single, "(combined from similar events): number 11": 4, "again": 3}


def test_an_event_is_forgotten_an_hour_after_it_was_last_written(cluster):
    recorder = events.Recorder(cluster.client, "tester", cluster.clock)
    obj = cluster.create(POD, "one", asking())
    recorder.normal(obj, "Once", "said")
    work = expiry.start(cluster.objects, cluster.clock)
    cluster.pass_time(3590)
    work.run_until_idle()
    assert cluster.told("Once") == ["said"]
    version = cluster.objects.store.version
    cluster.pass_time(15)
    work.run_until_idle()
    assert cluster.told("Once") == []
    gone = [change for change in cluster.objects.store.since(version) if change.object.get("reason") == "Once"]
    assert [change.type for change in gone] == ["DELETED"]  # who watches is told
    assert work.run_until_idle() == 0


def test_an_old_event_is_forgotten_at_the_next_start(cluster):
    recorder = events.Recorder(cluster.client, "tester", cluster.clock)
    recorder.normal(cluster.create(POD, "one", asking()), "Once", "said")
    cluster.pass_time(7200)
    expiry.start(cluster.objects, cluster.clock).run_until_idle()
    assert cluster.told("Once") == []


# Routes and InferenceServices


def admitted(route):
    return condition(route["status"]["ingress"][0], "Admitted")


def test_a_route_is_given_a_host_and_admitted(cluster):
    cluster.create(ROUTE, "chat", {"to": {"kind": "Service", "name": "web"}})
    cluster.settle()
    route = cluster.get(ROUTE, "chat")
    assert route["spec"]["host"] == "chat-o1.apps.localhost"
    assert route["metadata"]["annotations"] == {"openshift.io/host.generated": "true"}
    ingress = route["status"]["ingress"][0]
    assert (ingress["host"], ingress["routerName"]) == ("chat-o1.apps.localhost", "default")
    assert admitted(route)["status"] == "True"


def test_a_host_belongs_to_the_oldest_route_until_it_goes(cluster):
    wanted = {"host": "chat.example.org", "to": {"kind": "Service", "name": "web"}}
    cluster.create(ROUTE, "first", wanted)
    cluster.settle()
    cluster.create(ROUTE, "second", wanted)
    cluster.settle()
    refused = admitted(cluster.get(ROUTE, "second"))
    assert (refused["status"], refused["reason"]) == ("False", "HostAlreadyClaimed")
    assert refused["message"] == "route first already exposes chat.example.org and is older"
    cluster.client.delete(ROUTE, cluster.get(ROUTE, "first"))
    cluster.run()
    assert admitted(cluster.get(ROUTE, "second"))["status"] == "True"


RUNTIME = {
    "annotations": {"prometheus.io/port": "8080"},
    "containers": [
        {"name": "kserve-container", "image": "serve:1", "args": ["--served-model-name={{.Name}}"], "env": []}
    ],
    "supportedModelFormats": [{"name": "vLLM", "autoSelect": True}],
}


def predictor(**more):
    resources = {"requests": {"cpu": "500m"}}
    model = {"modelFormat": {"name": "vLLM"}, "args": ["--max-model-len=4096"], "resources": resources, **more}
    return {"predictor": {"model": model}}


def states(service):
    return {one["type"]: one["status"] for one in service["status"]["conditions"]}


def test_an_inference_service_becomes_ready_with_its_predictor(cluster):
    cluster.create(SERVING_RUNTIME, "vllm", RUNTIME)
    cluster.create(INFERENCE_SERVICE, "granite", predictor(storageUri="oci://example.org/granite:1"))
    cluster.settle()
    service = cluster.get(INFERENCE_SERVICE, "granite")
    assert states(service) == {"IngressReady": "False", "PredictorReady": "False", "Ready": "False"}
    cluster.run()
    service = cluster.get(INFERENCE_SERVICE, "granite")
    assert states(service) == {"IngressReady": "True", "PredictorReady": "True", "Ready": "True"}
    assert service["status"]["url"] == "http://granite-predictor.o1.svc.cluster.local:8080"
    assert service["status"]["modelStatus"]["transitionStatus"] == "UpToDate"  # codespell:ignore
    pod = cluster.pods()[0]
    container = pod["spec"]["containers"][0]
    assert container["args"] == ["--served-model-name=granite", "--max-model-len=4096"]
    assert (container["image"], container["resources"]["requests"]) == ("serve:1", {"cpu": "500m"})
    source = "internal.serving.kserve.io/storage-initializer-sourceuri"
    assert pod["metadata"]["annotations"][source] == "oci://example.org/granite:1"
    assert cluster.get(SERVICE, "granite-predictor")["spec"]["selector"] == {"app": "isvc.granite-predictor"}


def test_an_exposed_inference_service_has_a_route_as_its_url(cluster):
    cluster.create(SERVING_RUNTIME, "vllm", RUNTIME)
    labels = {"networking.kserve.io/visibility": "exposed"}
    cluster.create(INFERENCE_SERVICE, "granite", predictor(runtime="vllm"), labels=labels)
    cluster.run()
    service = cluster.get(INFERENCE_SERVICE, "granite")
    assert service["status"]["url"] == "http://granite-o1.apps.localhost"
    assert states(service)["Ready"] == "True"
    version = cluster.objects.store.version
    cluster.restart()
    cluster.run()
    assert cluster.objects.store.version == version
    cluster.client.update(INFERENCE_SERVICE, {**service, "metadata": {**service["metadata"], "labels": {}}})
    cluster.run()
    assert cluster.get(ROUTE, "granite") is None
    cluster.client.delete(INFERENCE_SERVICE, cluster.get(INFERENCE_SERVICE, "granite"))
    cluster.run()
    assert cluster.pods() == cluster.client.list(DEPLOYMENT, NAMESPACE) == cluster.client.list(SERVICE, NAMESPACE) == []


def test_an_inference_service_waits_for_its_runtime(cluster):
    cluster.create(INFERENCE_SERVICE, "granite", predictor(runtime="vllm"))
    cluster.settle()
    service = cluster.get(INFERENCE_SERVICE, "granite")
    told = condition(service["status"], "PredictorReady")
    message = "No ServingRuntimes or ClusterServingRuntimes with the name: vllm"
    assert (told["status"], told["reason"], told["message"]) == ("False", "RuntimeNotFound", message)
    assert service["status"]["modelStatus"]["lastFailureInfo"]["reason"] == "RuntimeNotRecognized"
    assert cluster.told("InternalError") == [message]
    cluster.create(SERVING_RUNTIME, "vllm", RUNTIME)
    cluster.run()
    assert states(cluster.get(INFERENCE_SERVICE, "granite"))["Ready"] == "True"


def test_a_model_that_does_not_fit_says_so_in_its_conditions(cluster):
    cluster.create(SERVING_RUNTIME, "vllm", RUNTIME)
    cluster.create(INFERENCE_SERVICE, "granite", predictor(resources={"limits": {"nvidia.com/gpu": "1"}}))
    cluster.run()
    service = cluster.get(INFERENCE_SERVICE, "granite")
    assert condition(service["status"], "PredictorReady")["reason"] == "MinimumReplicasUnavailable"
    assert states(service)["Ready"] == "False"
    assert cluster.told("FailedScheduling") == [UNPLACED.format("1 Insufficient nvidia.com/gpu", NEVER)]
