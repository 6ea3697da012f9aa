"""Protobuf bodies as kubectl 1.32 sends them for imperative creates."""

import base64
import contextlib
import json
import random
from pathlib import Path

import pytest

from maas_lab.local.kube import protobuf
from maas_lab.local.kube.status import ApiError

CAPTURED = json.loads((Path(__file__).parent / "captures/kubernetes/protobuf.json").read_text(encoding="utf-8"))
BODIES = {one["step"]: base64.b64decode(one["body"]) for one in CAPTURED}
TEMPLATE = {"metadata": {"labels": {"app": "d1"}}, "spec": {"containers": [{"name": "i", "image": "i:1"}]}}
OBJECTS = {
    "create": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "o1"}},
    "sa": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer", "namespace": "o1"}},
    "imperative-secret": {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s1", "namespace": "o1"},
        "data": {"a": "Yg=="},
    },
    "imperative-cm": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c1", "namespace": "o1"},
        "data": {"a": "b"},
    },
    "imperative-deploy": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d1", "namespace": "o1", "labels": {"app": "d1"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "d1"}}, "template": TEMPLATE},
    },
    "imperative-job": {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j1", "namespace": "o1"},
        "spec": {"template": {"spec": {"containers": [{"name": "j1", "image": "grade:1"}], "restartPolicy": "Never"}}},
    },
    "token": {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600},
    },
}


@pytest.mark.parametrize("step", OBJECTS)
def test_what_kubectl_sends(step):
    assert protobuf.decode(BODIES[step]) == OBJECTS[step]


def test_zero_replicas_are_a_choice():
    body = BODIES["imperative-deploy"].replace(b"\x12\x72\x08\x02", b"\x12\x72\x08\x00")
    assert protobuf.decode(body)["spec"]["replicas"] == 0


def test_a_kind_that_is_not_known_is_refused_with_another_way():
    with pytest.raises(ApiError, match="--dry-run=client -o yaml") as refused:
        protobuf.decode(BODIES["imperative-job"].replace(b"\x12\x03Job", b"\x12\x03Cat"))
    assert refused.value.code == 415


def test_broken_bodies_are_refused_and_nothing_else():
    chance = random.Random(5)
    for body in BODIES.values():
        for _ in range(200):
            broken = bytearray(body)
            for _ in range(chance.randrange(1, 4)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            del broken[chance.randrange(len(broken)) :]
            with contextlib.suppress(ApiError):
                protobuf.decode(bytes(broken))
