"""Quotas on a store in memory: what is counted, who is refused, and what controllers make of a refusal."""

from __future__ import annotations

import contextlib
import random

import pytest

from maas_lab.local.kube import deletion
from maas_lab.local.kube.controllers.client import CLAIM, DEPLOYMENT, JOB, POD, REPLICA_SET, STATEFUL_SET
from maas_lab.local.kube.controllers.common import condition
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.quota import usage
from maas_lab.local.kube.quota.limits import CLUSTER_QUOTA, NAMESPACE, RESOURCE_QUOTA
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.status import ApiError
from tests.test_kube_controllers import NAMESPACE as HOME
from tests.test_kube_controllers import Cluster, asking, workload
from tests.test_kube_jobs import job

SLOT = "maas-lab.dev/gpu-slot"
WHO = "openshift.io/requester"


class Limited(Cluster):
    """A cluster with words for quotas."""

    def limit(self, hard, name="q"):
        self.create(RESOURCE_QUOTA, name, {"hard": hard})

    def limit_wide(self, name, hard, **selector):
        body = {"metadata": {"name": name}, "spec": {"quota": {"hard": hard}, "selector": selector}}
        self.client.create(CLUSTER_QUOTA, body)

    def place(self, name, **metadata):
        self.client.create(NAMESPACE, {"metadata": {"name": name, **metadata}})

    def pod(self, name, spec=None, namespace=HOME):
        metadata = {"name": name, "namespace": namespace}
        return self.client.create(POD, {"metadata": metadata, "spec": spec or asking()})

    def refused(self, name, spec=None, namespace=HOME):
        with pytest.raises(ApiError) as refused:
            self.pod(name, spec, namespace)
        assert (refused.value.code, refused.value.status["reason"]) == (403, "Forbidden")
        return str(refused.value)

    def used(self, name="q"):
        """Return what a quota's status says, once controllers are done."""
        self.settle()
        return self.get(RESOURCE_QUOTA, name)["status"]["used"]

    def wide(self, name):
        self.settle()
        return self.client.get(CLUSTER_QUOTA, "", name)["status"]

    def become(self, pod, phase):
        pod = self.get(POD, pod["metadata"]["name"])
        self.client.update_status(POD, pod, {**pod["status"], "phase": phase})

    def remove(self, kind, name):
        """Delete an object, and let what it needs for that happen."""
        found = self.get(kind, name)
        self.client.delete(kind, found)
        if kind == POD and self.get(POD, name):
            self.end(found)
        self.settle()


@pytest.fixture
def cluster(schemas):
    return Limited(Rules(schemas))


# What is refused


def test_one_pod_more_than_allowed_is_refused_in_the_servers_words(cluster):
    cluster.limit({"pods": "1"})
    cluster.pod("a")
    told = 'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    assert cluster.refused("b") == told


def test_all_that_is_too_much_is_told_and_what_fits_is_not(cluster):
    cluster.limit({"pods": "10", "requests.cpu": "1", "requests.memory": "1Gi", "limits.memory": "2Gi"})
    cluster.pod("a", asking(cpu="600m", memory="512Mi"))
    assert cluster.refused("b", asking(cpu="1500m", memory="1Gi")) == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=1500m,requests.memory=1Gi, '
        "used: requests.cpu=600m,requests.memory=512Mi, limited: requests.cpu=1,requests.memory=1Gi"
    )


def test_who_is_limited_must_say_what_they_ask_for(cluster):
    cluster.limit({"requests.cpu": "1", "limits.memory": "1Gi"})
    silent = {"containers": [{"name": name, "image": "web:1"} for name in ("web", "log")]}
    begins = {"initContainers": [{"name": "first", "image": "web:1"}]}
    assert cluster.refused("a", {**silent, **begins}) == (
        'pods "a" is forbidden: failed quota: q: '
        "must specify limits.memory for: first,log,web; requests.cpu for: first,log,web"
    )
    cluster.limit({f"requests.{SLOT}": "1"}, "gpus")
    cluster.remove(RESOURCE_QUOTA, "q")
    cluster.pod("a", silent)  # of a GPU nobody has to speak


def test_gpus_are_limited_by_their_requests(cluster):
    cluster.limit({f"requests.{SLOT}": "1"})
    cluster.pod("none")
    cluster.pod("a", asking(**{SLOT: "1"}))
    assert f"requested: requests.{SLOT}=1, used: requests.{SLOT}=1, limited: requests.{SLOT}=1" in cluster.refused(
        "b", asking(**{SLOT: "1"})
    )


def test_who_has_ended_counts_no_longer_but_is_still_there(cluster):
    cluster.limit({"pods": "1", "count/pods": "2", "requests.cpu": "1"})
    for name, phase in (("a", "Succeeded"), ("b", "Failed")):
        cluster.become(cluster.pod(name, asking(cpu="1")), phase)
    assert cluster.used() == {"pods": "0", "count/pods": "2", "requests.cpu": "0"}
    assert cluster.refused("c", asking(cpu="1")).endswith(
        "requested: count/pods=1, used: count/pods=2, limited: count/pods=2"
    )


def test_a_dry_run_is_checked_and_takes_nothing(cluster):
    cluster.limit({"pods": "1"})
    dry = WriteOptions(dry_run=True)
    body = {"metadata": {"name": "a"}, "spec": asking()}
    for _ in range(2):
        cluster.objects.create(Target(POD, HOME), dict(body), dry)
    assert cluster.used() == {"pods": "0"}
    cluster.pod("a")
    with pytest.raises(ApiError, match="exceeded quota"):
        cluster.objects.create(Target(POD, HOME), {**body, "metadata": {"name": "b"}}, dry)


def test_a_server_side_apply_that_creates_is_held_too(cluster):
    cluster.limit({"configmaps": "0"})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    with pytest.raises(ApiError, match='configmaps "a" is forbidden: exceeded quota: q, requested: configmaps=1'):
        cluster.objects.apply(Target(of("v1", "ConfigMap"), HOME, "a"), body, WriteOptions(manager="me"))


def claim(size):
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}


def test_a_claim_may_grow_as_far_as_the_quota_goes(cluster):
    cluster.limit({"requests.storage": "3Gi", "persistentvolumeclaims": "1"})
    cluster.create(CLAIM, "a", claim("1Gi"))
    cluster.settle()
    cluster.change(CLAIM, "a", **claim("3Gi"))
    assert cluster.used() == {"requests.storage": "3Gi", "persistentvolumeclaims": "1"}
    with pytest.raises(ApiError, match=r"requested: requests\.storage=1Gi, used: requests\.storage=3Gi, limi"):
        cluster.change(CLAIM, "a", **claim("4Gi"))
    labels = {"metadata": {"labels": {"a": "b"}}}
    quota = cluster.get(RESOURCE_QUOTA, "q")
    cluster.client.update(RESOURCE_QUOTA, {**quota, "spec": {"hard": {"requests.storage": "1Gi"}}})
    cluster.objects.patch(Target(CLAIM, HOME, "a"), "merge", labels, WriteOptions())  # what takes no more is allowed


def test_every_quota_of_a_namespace_holds(cluster):
    cluster.limit({"pods": "2"}, "a")
    cluster.limit({"count/pods": "1"}, "b")
    cluster.pod("one")
    assert "exceeded quota: b, " in cluster.refused("two")


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": ["300m", "200m"]}, "500m"),
        ({"containers": ["100m"], "initContainers": ["1", "2"]}, "2"),
        ({"containers": ["1"], "initContainers": ["100m"]}, "1"),
        ({"containers": ["1"], "initContainers": [("500m", "Always"), "2"]}, "2500m"),  # one lasts, one comes after
        ({"containers": ["1"], "initContainers": ["2", ("500m", "Always")]}, "2"),
    ],
)
def test_a_pod_uses_what_it_asks_for_at_one_time(cluster, spec, cpu):
    def container(number, told):
        amount, restarts = told if isinstance(told, tuple) else (told, "")
        more = {"restartPolicy": restarts} if restarts else {}
        return {"name": f"c{number}", "image": "web:1", "resources": {"requests": {"cpu": amount}}, **more}

    numbered = {
        part: [container(f"{part[0]}{number}".lower(), one) for number, one in enumerate(given)]
        for part, given in spec.items()
    }
    cluster.limit({"cpu": "9"})
    cluster.pod("a", numbered)
    assert cluster.used() == {"cpu": cpu}


# What controllers make of it


def failure(cluster, kind, name):
    return condition(cluster.get(kind, name)["status"], "ReplicaFailure")


def test_a_deployment_that_may_not_have_its_pods_says_so_and_goes_on_when_it_may(cluster):
    cluster.limit({"pods": "2"})
    cluster.create(DEPLOYMENT, "web", workload(3))
    cluster.settle()
    assert len(cluster.pods()) == 2
    [replica_set] = cluster.client.list(REPLICA_SET, HOME)
    told = "is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"
    for kind, name in ((REPLICA_SET, replica_set["metadata"]["name"]), (DEPLOYMENT, "web")):
        found = failure(cluster, kind, name)
        assert (found["status"], found["reason"], found["message"].partition(" is ")[2]) == (
            "True",
            "FailedCreate",
            told.removeprefix("is "),
        )
    assert all(one.startswith("Error creating: pods ") and told in one for one in cluster.told("FailedCreate"))
    cluster.pass_time(60)
    cluster.settle()
    assert len(cluster.pods()) == 2
    quota = cluster.get(RESOURCE_QUOTA, "q")
    cluster.client.update(RESOURCE_QUOTA, {**quota, "spec": {"hard": {"pods": "3"}}})
    cluster.run()
    assert len(cluster.pods()) == 3
    assert failure(cluster, DEPLOYMENT, "web") is None
    assert condition(cluster.get(DEPLOYMENT, "web")["status"], "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_a_deployment_that_may_not_have_its_replica_set_says_so(cluster):
    cluster.limit({"count/replicasets.apps": "0"})
    cluster.create(DEPLOYMENT, "web", workload(1))
    cluster.settle()
    progress = condition(cluster.get(DEPLOYMENT, "web")["status"], "Progressing")
    assert (progress["status"], progress["reason"]) == ("False", "ReplicaSetCreateError")
    assert "exceeded quota: q, requested: count/replicasets.apps=1" in cluster.told("ReplicaSetCreateError")[0]


def test_a_set_with_a_claim_that_may_not_be_makes_no_pod_either(cluster):
    cluster.limit({"persistentvolumeclaims": "0"})
    template = {"metadata": {"name": "d"}, "spec": claim("1Gi")}
    cluster.create(STATEFUL_SET, "db", {**workload(1), "serviceName": "db", "volumeClaimTemplates": [template]})
    cluster.settle()
    assert cluster.pods() == []
    assert "exceeded quota: q, requested: persistentvolumeclaims=1" in cluster.told("FailedCreate")[0]


def test_a_job_that_may_not_have_its_pod_tries_again(cluster):
    cluster.limit({"pods": "0"})
    cluster.create(JOB, "grade", job())
    cluster.settle()
    assert "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0" in cluster.told("FailedCreate")[0]
    cluster.remove(RESOURCE_QUOTA, "q")
    assert len(cluster.pods()) == 1


def test_what_somebody_gives_back_is_taken_at_once_by_who_waits_for_it(cluster):
    for name in ("one", "two"):
        cluster.place(name, annotations={WHO: "ann"})
    cluster.limit_wide("ann", {"pods": "1"}, annotations={WHO: "ann"})
    cluster.pod("first", namespace="one")
    metadata = {"name": "web", "namespace": "two"}
    cluster.client.create(DEPLOYMENT, {"metadata": metadata, "spec": workload(1)})
    cluster.settle()
    assert cluster.client.list(POD, "two") == []
    first = cluster.client.get(POD, "one", "first")
    cluster.client.delete(POD, first)
    deletion.delete(cluster.objects, Target(POD, "one", "first"), deletion.DeleteOptions(grace_s=0))
    cluster.settle()
    assert len(cluster.client.list(POD, "two")) == 1


# What the status says


def test_a_quota_tells_what_is_used_after_all_that_comes_and_goes(cluster):
    cluster.create(CLAIM, "a", claim("1Gi"))
    hard = {"pods": "9", "requests.memory": "4Gi", "count/deployments.apps": "1", "persistentvolumeclaims": "1"}
    cluster.limit(hard)
    cluster.create(DEPLOYMENT, "web", workload(2))
    assert cluster.used()["count/deployments.apps"] == "1"
    assert cluster.get(RESOURCE_QUOTA, "q")["status"]["hard"] == hard
    cluster.pod("big", asking(memory="512Mi"))
    cluster.pod("bigger", asking(memory="1Gi"))
    assert cluster.used()["requests.memory"] == "1536Mi"
    cluster.remove(POD, "bigger")
    assert cluster.used() == {
        "pods": "1",
        "requests.memory": "512Mi",
        "count/deployments.apps": "1",
        "persistentvolumeclaims": "1",
    }


def test_several_namespaces_share_a_cluster_quota(cluster):
    for name, who in (("one", "ann"), ("two", "ann"), ("other", "ben")):
        cluster.place(name, annotations={WHO: who}, labels={"who": who})
    cluster.limit_wide("ann", {"pods": 2}, annotations={WHO: "ann"})
    cluster.limit_wide("both", {"pods": "2"}, annotations={WHO: "ann"}, labels={"matchLabels": {"who": "ben"}})
    for namespace in ("one", "two", "other"):
        cluster.pod("a", namespace=namespace)
    told = 'pods "b" is forbidden: exceeded quota: ann, requested: pods=1, used: pods=2, limited: pods=2'
    assert [cluster.refused("b", namespace=one) for one in ("one", "two")] == [told, told]
    cluster.pod("b", namespace="other")
    each = {"hard": {"pods": "2"}, "used": {"pods": "1"}}
    assert cluster.wide("ann") == {
        "total": {"hard": {"pods": "2"}, "used": {"pods": "2"}},
        "namespaces": [{"namespace": one, "status": each} for one in ("one", "two")],
    }
    assert cluster.wide("both") == {"total": {"hard": {"pods": "2"}, "used": {"pods": "0"}}, "namespaces": []}


def test_a_cluster_quota_follows_its_namespaces(cluster):
    cluster.limit_wide("ann", {"configmaps": "5"}, labels={"matchExpressions": [{"key": "of", "operator": "Exists"}]})
    assert cluster.wide("ann")["namespaces"] == []
    cluster.place("later", labels={"of": "ann"})
    assert [one["namespace"] for one in cluster.wide("ann")["namespaces"]] == ["later"]
    nobodys = {"metadata": {"labels": {"of": None}}}
    cluster.objects.patch(Target(NAMESPACE, "", "later"), "merge", nobodys, WriteOptions())
    assert cluster.wide("ann")["namespaces"] == []


@pytest.mark.parametrize("seed", range(3))
def test_however_things_come_and_go_no_quota_is_exceeded_and_its_status_is_the_sum(cluster, seed):
    chance = random.Random(seed)
    hard = {"pods": "4", "requests.cpu": "2", "count/configmaps": "3", "requests.storage": "5Gi"}
    cluster.limit(hard)
    ways = {
        POD: lambda: asking(cpu=chance.choice(("250m", "1", "1500m"))),
        CLAIM: lambda: claim(chance.choice(("1Gi", "2Gi"))),
        DEPLOYMENT: lambda: workload(
            chance.randint(1, 3), template={**workload()["template"], "spec": asking(cpu="1")}
        ),
    }
    refusals = 0
    for number in range(60):
        kind = chance.choice(tuple(ways))
        there = [one["metadata"]["name"] for one in cluster.client.list(kind, HOME)]
        if there and chance.random() < 0.4:
            cluster.remove(kind, chance.choice(there))
            continue
        with contextlib.suppress(ApiError):
            cluster.create(kind, f"n{number}", ways[kind]())
        refusals += cluster.get(kind, f"n{number}") is None
        used = {name: usage.read(amount).number for name, amount in cluster.used().items()}
        found = usage.added(
            usage.of_object(kind, one) for kind in (POD, CLAIM) for one in cluster.client.list(kind, HOME)
        )
        assert used == {name: found[name].number if name in found else 0 for name in hard}
        assert all(used[name] <= usage.read(most).number for name, most in hard.items())
    assert refusals


# What is no quota


@pytest.mark.parametrize(
    ("hard", "told"),
    [
        ({"pods": "-1"}, 'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0'),
        ({"pods": "500m"}, 'spec.hard[pods]: Invalid value: "500m": must be an integer'),
        ({"count/jobs.batch": "1500m"}, "must be an integer"),
        ({"gpus": "1"}, 'spec.hard[gpus]: Invalid value: "gpus": must be a standard resource for quota'),
        ({"nvidia.com/gpu": "1"}, "a quota limits requests only: write requests.nvidia.com/gpu"),
        ({"services.nodeports": "1"}, "the local cluster does not count this, so it would limit nothing here"),
        ({"limits.nvidia.com/gpu": "1"}, "the local cluster does not count this"),
        ({"gold.storageclass.storage.k8s.io/requests.storage": "1"}, "the local cluster does not count this"),
        ({"count/deployments": "1"}, "the local cluster does not count this"),
        ({"count/events": "1"}, "the local cluster does not count this"),
        ({"requests.ephemeral-storage": "1Gi"}, "the local cluster does not count this"),
        ({"a b": "1"}, "name part must consist of alphanumeric characters"),
    ],
)
def test_what_would_limit_nothing_is_no_quota(cluster, hard, told):
    with pytest.raises(ApiError) as refused:
        cluster.create(RESOURCE_QUOTA, "q", {"hard": hard})
    assert refused.value.code == 422
    assert told in str(refused.value)
    with pytest.raises(ApiError) as refused:
        cluster.limit_wide("q", hard, annotations={"a": "b"})
    assert refused.value.code == 422
    assert told.replace("spec.hard", "spec.quota.hard") in str(refused.value)


@pytest.mark.parametrize("part", [{"scopes": ["BestEffort"]}, {"scopeSelector": {"matchExpressions": [{"a": "b"}]}}])
def test_scopes_are_refused(cluster, part):
    [name] = part
    told = f"{name}: Forbidden: the local cluster knows no scopes"
    with pytest.raises(ApiError, match=told):
        cluster.create(RESOURCE_QUOTA, "q", {"hard": {"pods": "1"}, **part})
    spec = {"quota": {"hard": {"pods": "1"}, **part}, "selector": {"annotations": {"a": "b"}}}
    with pytest.raises(ApiError, match=told):
        cluster.client.create(CLUSTER_QUOTA, {"metadata": {"name": "q"}, "spec": spec})


@pytest.mark.parametrize("selector", [{}, {"annotations": {}}, {"labels": {}}])
def test_a_cluster_quota_is_for_some_namespaces_only(cluster, selector):
    with pytest.raises(ApiError, match="must restrict the selected projects"):
        cluster.limit_wide("q", {"pods": "1"}, **selector)
