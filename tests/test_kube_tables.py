"""What `kubectl get` shows, against the columns and cells that a real control plane showed."""

from datetime import UTC, datetime, timedelta

import pytest

from maas_lab.local.kube import cells, columns, tables
from maas_lab.local.kube.kinds import KINDS

# name, its type where that is not string, its priority where that is not 0, and * where it is the object's name
RECORDED = {
    "ConfigMap": "Name*, Data, Age",
    "Secret": "Name*, Type, Data, Age",
    "Service": "Name*, Type, Cluster-IP, External-IP, Port(s), Age, Selector/1",
    "EndpointSlice": "Name*, AddressType, Ports, Endpoints, Age",
    "Deployment": "Name*, Ready, Up-to-date, Available, Age, Containers/1, Images/1, Selector/1",
    "StatefulSet": "Name*, Ready, Age, Containers/1, Images/1",
    "PersistentVolumeClaim": "Name*, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, "
    "VolumeMode/1",
    "InferenceService": "Name*, URL, Ready, Prev:integer, Latest:integer, PrevRolledoutRevision, "
    "LatestReadyRevision, Age:date",
    "ServingRuntime": "Name*, Disabled:boolean, ModelType, Containers, Age:date",
    "Route": "Name*, Host, Admitted, Service, TLS",
    "Application": "Name*, Sync Status, Health Status, Revision/10, Project/10",
    "ReplicaSet": "Name*, Desired:integer, Current:integer, Ready:integer, Age, Containers/1, Images/1, Selector/1",
    "Job": "Name*, Status, Completions, Duration, Age, Containers/1, Images/1, Selector/1",
    "Namespace": "Name*, Status, Age",
    "Pod": "Name*, Ready, Status, Restarts, Age, IP/1, Node/1, Nominated Node/1, Readiness Gates/1",
    "Event": "Last Seen, Type, Reason, Object, Subobject/1, Source/1, Message, First Seen/1, Count/1, Name/1*",
    "Node": "Name*, Status, Roles, Age, Version, Internal-IP/1, External-IP/1, OS-Image/1, "
    "Kernel-Version/1, Container-Runtime/1",
}
BY_NAME = {kind.kind: kind for kind in KINDS}
CREATED = (datetime.now(UTC) - timedelta(days=5, minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(column):
    type_ = f":{column.type}" if column.type != "string" else ""
    priority = f"/{column.priority}" if column.priority else ""
    return f"{column.name}{type_}{priority}{'*' if column.format == 'name' else ''}"


@pytest.mark.parametrize("kind", RECORDED)
def test_columns(kind):
    assert ", ".join(map(shown, columns.of_kind(BY_NAME[kind]))) == RECORDED[kind]


def row(kind, obj, include="Metadata"):
    obj = {"kind": kind, **obj, "metadata": {"name": "x", "creationTimestamp": CREATED, **obj.get("metadata", {})}}
    return tables.one(BY_NAME[kind], obj, tables.Form(tables.TABLE, include=include))["rows"][0]


def test_what_containers_use_is_added_up():
    used = [{"usage": {"cpu": "4718700n", "memory": "57972Ki"}}, {"usage": {"cpu": "281300n", "memory": "44Ki"}}]
    cells = row("PodMetrics", {"containers": used, "window": "15.2s"})["cells"]
    assert cells == ["x", "5m", "58016Ki", "15.2s"]


@pytest.mark.parametrize("kind", RECORDED)
def test_an_object_of_which_nothing_is_known_has_cells(kind):
    assert len(row(kind, {"spec": {}})["cells"]) == len(columns.of_kind(BY_NAME[kind]))


TOOK = {"startTime": "2026-01-01T10:00:00Z", "completionTime": "2026-01-01T10:01:05Z"}
TEMPLATE = {"spec": {"containers": [{"name": "web", "image": "example/web:2"}]}}
SELECTED = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
COUNTED = {"readyReplicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "replicas": 3}


@pytest.mark.parametrize(
    ("kind", "obj", "cells"),
    [
        ("ConfigMap", {"data": {"a": "1"}, "binaryData": {"b": ""}}, ["x", 2, "5d"]),
        ("Secret", {"type": "Opaque", "data": {"a": ""}}, ["x", "Opaque", 1, "5d"]),
        ("Namespace", {"status": {"phase": "Active"}}, ["x", "Active", "5d"]),
        (
            "Service",
            {
                "spec": {
                    "type": "ClusterIP",
                    "clusterIP": "10.96.1.1",
                    "ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}],
                    "selector": {"app": "web"},
                }
            },
            ["x", "ClusterIP", "10.96.1.1", "<none>", "80/TCP,80/UDP", "5d", "app=web"],
        ),
        (
            "Deployment",
            {"spec": {"replicas": 3, **SELECTED}, "status": COUNTED},
            ["x", "3/3", 3, 3, "5d", "web", "example/web:2", "app=web"],
        ),
        (
            "ReplicaSet",
            {"spec": {"replicas": 3, **SELECTED}, "status": COUNTED},
            ["x", 3, 3, 3, "5d", "web", "example/web:2", "app=web"],
        ),
        ("EndpointSlice", {"addressType": "IPv4"}, ["x", "IPv4", "<unset>", "<unset>", "5d"]),
        (
            "EndpointSlice",
            {
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080}, {"name": "any"}],
                "endpoints": [{"addresses": ["10.1.0.9"]}] * 5,
            },
            ["x", "IPv4", "8080,any", "10.1.0.9,10.1.0.9,10.1.0.9 + 2 more...", "5d"],
        ),
        ("StatefulSet", {"spec": {"replicas": 1, **SELECTED}}, ["x", "0/1", "5d", "web", "example/web:2"]),
        (
            "Job",
            {"spec": {"completions": 3, **SELECTED}, "status": {"succeeded": 1, "startTime": CREATED}},
            ["x", "Running", "1/3", "5d", "5d", "web", "example/web:2", "app=web"],
        ),
        ("Job", {"spec": {"parallelism": 3}}, ["x", "Running", "0/1 of 3", "", "5d", "", "", "<none>"]),
        (
            "Job",
            {"spec": {}, "status": {**TOOK, "conditions": [{"type": "Complete", "status": "True"}]}},
            ["x", "Complete", "0/1", "65s", "5d", "", "", "<none>"],
        ),
        (
            "Job",
            {"spec": {}, "status": {"conditions": [{"type": "FailureTarget", "status": "True"}]}},
            ["x", "FailureTarget", "0/1", "", "5d", "", "", "<none>"],
        ),
        (
            "PersistentVolumeClaim",
            {
                "spec": {"volumeName": "pv3", "volumeMode": "Filesystem"},
                "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"]},
            },
            ["x", "Bound", "pv3", "2Gi", "RWO", "", "<unset>", "5d", "Filesystem"],
        ),
        (
            "Event",
            {
                "type": "Normal",
                "reason": "Scheduled",
                "involvedObject": {"kind": "Pod", "name": "b-0"},
                "source": {"component": "default-scheduler"},
                "message": "done",
                "firstTimestamp": CREATED,
                "lastTimestamp": CREATED,
                "count": 2,
            },
            ["5d", "Normal", "Scheduled", "pod/b-0", "", "default-scheduler", "done", "5d", 2, "x"],
        ),
        (
            "Node",
            {"spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            ["x", "Ready", "<none>", "5d", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"],
        ),
        (
            "InferenceService",
            {"status": {"url": "http://x", "conditions": [{"type": "Ready", "status": "True"}]}},
            ["x", "http://x", "True", None, None, None, None, "5d"],
        ),
        (
            "ServingRuntime",
            {"spec": {"supportedModelFormats": [{"name": "vLLM"}], "containers": [{"name": "kserve-container"}]}},
            ["x", None, "vLLM", "kserve-container", "5d"],
        ),
        ("Route", {"spec": {"to": {"name": "web"}}}, ["x", None, None, "web", None]),
        ("Application", {"spec": {"project": "default"}}, ["x", None, None, None, "default"]),
    ],
)
def test_cells(kind, obj, cells):
    assert row(kind, obj)["cells"] == cells


def pod(state=None, ready=False, phase="Running", restarts=0, **metadata):
    status = {"name": "c", "ready": ready, "restartCount": restarts, "state": state or {}}
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "c"}]},
        "status": {"phase": phase, "containerStatuses": [status]},
    }


@pytest.mark.parametrize(
    ("obj", "word", "ready"),
    [
        (pod({"running": {}}, ready=True), "Running", "1/1"),
        (pod({"waiting": {"reason": "ErrImagePull"}}, phase="Pending"), "ErrImagePull", "0/1"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff", "0/1"),
        (pod({"terminated": {"reason": "Completed", "exitCode": 0}}, phase="Succeeded"), "Completed", "0/1"),
        (pod({"terminated": {"exitCode": 3}}, phase="Failed"), "ExitCode:3", "0/1"),
        (pod({"running": {}}, ready=True, deletionTimestamp=CREATED), "Terminating", "1/1"),
    ],
)
def test_a_pod_in_one_word(obj, word, ready):
    assert row("Pod", obj)["cells"][1:4] == [ready, word, "0"]


def test_a_pod_that_has_ended_is_marked():
    assert row("Pod", pod(phase="Succeeded"))["conditions"] == [
        {
            "type": "Completed",
            "status": "True",
            "reason": "Succeeded",
            "message": "The pod has completed successfully.",
        }
    ]
    assert "conditions" not in row("Pod", pod())


def test_rows_carry_what_is_asked_for():
    assert row("ConfigMap", {})["object"].keys() == {"kind", "apiVersion", "metadata"}
    assert row("ConfigMap", {"data": {}}, "Object")["object"]["data"] == {}
    assert "object" not in row("ConfigMap", {}, "None")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (8 * 3600 + 300, "8h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (800 * 86400, "2y70d"),
    ],
)
def test_durations(seconds, text):
    assert cells.duration(seconds) == text
