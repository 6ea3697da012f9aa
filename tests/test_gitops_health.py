"""How objects are, by their own status: Argo CD's rules for the kinds of the local cluster."""

import pytest

from maas_lab.local.gitops import health


def obj(kind, spec=None, status=None, generation=1, **metadata):
    told = {"name": "x", "generation": generation, **metadata}
    return {"kind": kind, "metadata": told, "spec": spec or {}, "status": status or {}}


def conditions(**told):
    return {"conditions": [{"type": name, "status": value} for name, value in told.items()]}


ROLLED = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
SET = {"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 2, "currentRevision": "a", "updateRevision": "a"}
READY = {"observedGeneration": 1, "modelStatus": {"transitionStatus": "UpToDate"}, **conditions(Ready="True")}


def deployment(**changes):
    return obj("Deployment", {"replicas": 2}, {**ROLLED, **changes})


def stateful_set(spec=None, **changes):
    return obj("StatefulSet", {"replicas": 2, **(spec or {})}, {**SET, **changes})


def pod(phase, policy="Always", **status):
    return obj("Pod", {"restartPolicy": policy}, {"phase": phase, **status})


def waiting(reason):
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "why"}}}]}


def service(**status):
    return obj("InferenceService", {}, {**READY, **status})


CASES = [
    (deployment(), "Healthy", ""),
    (deployment(updatedReplicas=1), "Progressing", "1 out of 2 new replicas have been updated..."),
    (deployment(replicas=3), "Progressing", "1 old replicas are pending termination..."),
    (deployment(availableReplicas=1), "Progressing", "1 of 2 updated replicas are available..."),
    (deployment(conditions=[LATE]), "Degraded", 'Deployment "x" exceeded its progress deadline'),
    (obj("Deployment", {"replicas": 2}, ROLLED, generation=2), "Progressing", "observed deployment generation less"),
    (obj("Deployment", {"paused": True}), "Suspended", "Deployment is paused"),
    (obj("Deployment", {}, ROLLED, deletionTimestamp="now"), "Progressing", "Pending deletion"),
    (stateful_set(), "Healthy", "rolling update complete"),
    (stateful_set(readyReplicas=1), "Progressing", "Waiting for 1 pods to be ready..."),
    (stateful_set(updateRevision="b"), "Progressing", "2 pods at revision b..."),
    (obj("StatefulSet", {"replicas": 2}), "Progressing", "spec update to be observed"),
    (stateful_set({"updateStrategy": {"type": "OnDelete"}}, updateRevision="b"), "Healthy", "2 ready pods"),
    (
        stateful_set({"updateStrategy": {"rollingUpdate": {"partition": 1}}}, updatedReplicas=0),
        "Progressing",
        "0 out of 1 new pods",
    ),
    (pod("Pending"), "Progressing", ""),
    (pod("Running", **conditions(Ready="True")), "Healthy", ""),
    (pod("Running"), "Progressing", ""),
    (pod("Running", containerStatuses=[{"lastState": {"terminated": {"exitCode": 1}}}]), "Degraded", ""),
    (pod("Pending", **waiting("ImagePullBackOff")), "Degraded", "why"),
    (pod("Pending", **waiting("ErrImagePull")), "Degraded", "why"),
    (pod("Pending", **waiting("ContainerCreating")), "Progressing", ""),
    (pod("Running", "Never"), "Progressing", ""),
    (pod("Succeeded", "Never"), "Healthy", ""),
    (pod("Failed", "Never"), "Degraded", ""),
    (obj("Job"), "Progressing", ""),
    (obj("Job", {}, conditions(Complete="True")), "Healthy", ""),
    (obj("Job", {}, conditions(Suspended="False", Failed="True")), "Degraded", ""),
    (obj("Job", {}, conditions(Suspended="True")), "Suspended", ""),
    (obj("PersistentVolumeClaim", {}, {"phase": "Bound"}), "Healthy", ""),
    (obj("PersistentVolumeClaim", {}, {"phase": "Pending"}), "Progressing", ""),
    (obj("PersistentVolumeClaim", {}, {"phase": "Lost"}), "Degraded", ""),
    (obj("Service", {"type": "ClusterIP"}), "Healthy", ""),
    (obj("Service", {"type": "LoadBalancer"}), "Progressing", ""),
    (obj("Route"), "Progressing", "still getting admitted"),
    (obj("Route", {}, {"ingress": [conditions(Admitted="True")]}), "Healthy", ""),
    (obj("Route", {}, {"ingress": [conditions(Admitted="True"), conditions(Admitted="False")]}), "Degraded", ""),
    (service(), "Healthy", ""),
    (obj("InferenceService"), "Progressing", "Waiting for InferenceService to report status..."),
    (obj("InferenceService", {}, READY, generation=2), "Progressing", "to report status"),
    (service(**conditions(Ready="Unknown")), "Progressing", "Ready | Unknown"),
    (service(**conditions(Ready="False")), "Degraded", "Ready | False"),
    (service(modelStatus={"transitionStatus": "InvalidSpec"}), "Degraded", "transitionStatus | InvalidSpec"),
    (service(**conditions(Ready="True", Stopped="False")), "Healthy", ""),
    (obj("ReplicaSet", {"replicas": 1}, {"observedGeneration": 1, "availableReplicas": 1}), "Healthy", ""),
    (obj("ReplicaSet", {"replicas": 1}, {"observedGeneration": 1}), "Progressing", "0 out of 1 new replicas"),
]


@pytest.mark.parametrize(("given", "status", "told"), CASES, ids=[f"{c[0]['kind']}: {c[1]} {c[2]}" for c in CASES])
def test_health_follows_from_the_objects_own_status(given, status, told):
    found = health.of(given)
    assert found.status == status
    assert told in found.message


def test_what_has_no_health_does_not_count():
    assert health.of(obj("ConfigMap")) is None
    assert not health.is_judged("ConfigMap")


def test_the_worst_counts():
    assert health.worst([]) == "Healthy"
    assert health.worst(["Healthy", "Degraded", "Progressing"]) == "Degraded"
    assert health.worst(["Progressing", "Missing"]) == "Missing"
