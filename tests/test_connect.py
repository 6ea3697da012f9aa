"""`connect()`: which cluster is meant, and that a chosen one that fails is never replaced by the local one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys

import pytest
import yaml

from maas_lab import connect
from maas_lab.errors import ClusterUnreachable, NotFound, NotLoggedIn, UsageError


def kubeconfig(folder, server):
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "me", "user": {"token": "nothing"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "current-context": "it",
    }
    (folder / "kubeconfig").write_text(json.dumps(told))
    return folder / "kubeconfig"


@pytest.fixture
def nobody():
    """The address of a port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("variable", ["MAAS_LAB_KUBECONFIG", "KUBECONFIG"])
def test_a_chosen_cluster_that_does_not_answer_is_an_error(tmp_path, monkeypatch, nobody, variable):
    monkeypatch.setenv(variable, str(kubeconfig(tmp_path, nobody)))
    with pytest.raises(ClusterUnreachable) as caught:
        connect()
    assert nobody in str(caught.value.lines())


def test_a_kubeconfig_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        connect(tmp_path / "nowhere")


def test_the_argument_comes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "of the environment"))
    with pytest.raises(UsageError, match="of the argument"):
        connect(tmp_path / "of the argument")


def test_a_wrong_token_is_told(stack, tmp_path):
    told = yaml.safe_load(stack.local.kubeconfig.read_text())
    told["users"][0]["user"]["token"] = "wrong"
    (tmp_path / "kubeconfig").write_text(json.dumps(told))
    with pytest.raises(NotLoggedIn):
        connect(tmp_path / "kubeconfig")


def test_a_namespace_without_a_platform_is_told(stack):
    with pytest.raises(NotFound, match="no lab in the namespace default") as caught:
        connect(namespace="default")
    assert "connect(namespace=" in caught.value.hint


def test_the_lab_says_which_cluster_gateway_portal_and_model(stack):
    with contextlib.closing(connect()) as lab:
        told = repr(lab)
    cluster, gateway, portal, model = told.splitlines()[1:]
    assert "v1.32.0+maas-lab-local, local processes on this machine, namespace maas-system" in cluster
    assert f"LiteLLM 1.81.0 at {stack.gateway.url}" in gateway
    assert portal.endswith(stack.local.endpoints()["portal"])
    assert model.endswith("smollm2-135m-instruct")
    assert [path.parts[-3:] for path in map(lab.overlay, ("infrastructure", "models"))] == [
        ("infrastructure", "overlays", "local"),
        ("models", "overlays", "local"),
    ]
    assert lab.overlay("quantised").name == "local-quantised"
    with pytest.raises(UsageError, match="there is no part 'portal'") as caught:
        lab.overlay("portal")
    assert caught.value.hint == 'lab.overlay("infrastructure") or lab.overlay("models") or lab.overlay("quantised")'


def test_the_same_lab_by_its_kubeconfig(stack, tmp_path):
    """As on a real cluster: nothing but a kubeconfig, in a process that knows no home."""
    env = os.environ | {"MAAS_LAB_HOME": str(tmp_path / "none"), "KUBECONFIG": str(stack.local.kubeconfig)}
    code = "from maas_lab import connect; lab = connect(); print(lab.model, lab.gateway.url)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [stack.model, stack.gateway.url]
    assert not (tmp_path / "none").exists()


def test_in_a_pod_the_service_account_is_used_when_no_local_cluster_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("MAAS_LAB_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    with pytest.raises(UsageError, match="service account"):
        connect()


def test_in_a_workbench_a_running_local_cluster_is_meant(stack, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    with contextlib.closing(connect()) as lab:
        assert "local processes on this machine" in repr(lab)
