"""`connect()`: which cluster is meant, and that a chosen one that fails is never replaced by the local one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from maas_lab import connect, connecting, logins, settings
from maas_lab.errors import ClusterError, ClusterUnreachable, NotFound, NotLoggedIn, UsageError
from maas_lab.local import LocalCluster
from maas_lab.logins import Login
from tests.test_cluster import ACCESS, WHO, ControlPlane


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


def test_in_a_workbench_a_running_local_cluster_is_meant(stack, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("NB_PREFIX", "/notebook/team-a/wb")
    with contextlib.closing(connect()) as lab:
        assert "local processes on this machine" in repr(lab)
        assert "you:" not in repr(lab)
        assert lab.chosen.startswith("the local cluster, because it runs on this machine; this workbench is in")
        assert lab.chosen.endswith("the project team-a")


def test_a_token_opens_the_lab_as_its_user_and_the_lab_says_so(stack, monkeypatch):
    """By SSL_CERT_FILE alone, as where an organisation signs for the cluster's API."""
    told = yaml.safe_load(stack.local.kubeconfig.read_text())
    server, token = told["clusters"][0]["cluster"]["server"], told["users"][0]["user"]["token"]
    with pytest.raises(ClusterUnreachable, match="cannot be trusted"):
        connect(server=server, token=token)
    monkeypatch.setenv("SSL_CERT_FILE", str(stack.local.home.root / "kube" / "ca.crt"))
    with contextlib.closing(connect(server=server, token=token)) as lab:
        user = lab.cluster.whoami()
        assert f"  you:     {user}, by the token that connect() was given\n" in repr(lab)
        assert lab.model == stack.model
    with pytest.raises(NotLoggedIn):
        connect(server=server, token="sha256~wrong")


# The ladder, without anything that runs


ALLOWED, REFUSED = {"status": {"allowed": True}}, {"status": {"allowed": False}}
WORKBENCH = {"NB_PREFIX": "/notebook/team-a/wb", "KUBERNETES_SERVICE_HOST": "127.0.0.1"}


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """A machine with no lab and no login; a local cluster that is started is only noted."""
    started = []
    for name in (*WORKBENCH, "KUBECONFIG", "MAAS_LAB_KUBECONFIG", "MAAS_LAB_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAAS_LAB_HOME", str(tmp_path / "lab"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(LocalCluster, "up", lambda self: started.append(self))
    yield started
    logins.keep(None)


@pytest.fixture
def workbench(nothing, monkeypatch):
    for name, value in WORKBENCH.items():
        monkeypatch.setenv(name, value)
    return nothing


@pytest.fixture
def account(monkeypatch, tmp_path):
    """A pod's service account, whose cluster is a server of the test."""
    plane = ControlPlane()
    plane.on("POST", WHO, {"status": {"userInfo": {"username": "system:serviceaccount:team-a:wb"}}})
    monkeypatch.setattr(connecting, "Connection", lambda none: connection(kubeconfig(tmp_path, plane.url)))
    yield plane
    plane.close()


connection = connecting.Connection


def choose(**given):
    asked = {"kubeconfig": None, "context": None, "login": None, "namespaces": settings.namespaces()}
    return connecting.choose(**asked | given)


def logged_in(folder, **user):
    (folder / ".kube").mkdir()
    made = kubeconfig(folder, "https://127.0.0.1:1")
    told = json.loads(made.read_text()) | {"users": [{"name": "me", "user": user}]}
    (folder / ".kube" / "config").write_text(json.dumps(told))
    return folder / ".kube" / "config"


def test_what_somebody_has_named_comes_first_and_in_this_order(nothing, monkeypatch, tmp_path):
    pasted, given = Login.of("https://127.0.0.1:1", "sha256~pasted"), Login.of("https://127.0.0.1:2", "sha256~given")
    monkeypatch.setenv("KUBECONFIG", "/env")
    assert choose()[:2] == (Path("/env"), "by KUBECONFIG")
    monkeypatch.setenv("MAAS_LAB_KUBECONFIG", "/own")
    assert choose()[:2] == (Path("/own"), "by MAAS_LAB_KUBECONFIG")
    logins.keep(pasted)
    assert choose()[:2] == (pasted, "by the token that was pasted in this notebook")
    assert choose(context="other").source == Path("/own")  # a context is a kubeconfig's
    assert choose(kubeconfig="/argument")[:2] == (Path("/argument"), "by the kubeconfig that connect() was given")
    assert choose(login=given)[:2] == (given, "by the token that connect() was given")
    with pytest.raises(UsageError, match="two clusters"):
        choose(kubeconfig="/argument", login=given)
    assert nothing == []


@pytest.mark.parametrize("half", [{"server": "https://127.0.0.1:1"}, {"token": "sha256~x"}])
def test_a_token_and_its_server_belong_together(nothing, half):
    with pytest.raises(UsageError, match="is missing"):
        connect(**half)


def test_on_a_laptop_the_kubeconfig_of_other_work_is_left_alone(nothing, tmp_path, capsys):
    logged_in(tmp_path, token="sha256~other-work")
    assert choose().source == LocalCluster().kubeconfig
    assert len(nothing) == 1
    assert capsys.readouterr().out.startswith("The local lab is not running")


def test_in_a_workbench_oc_login_is_taken_before_the_pods_account(workbench, tmp_path):
    file = logged_in(tmp_path, token="sha256~mine")
    assert choose()[:2] == (file, "by ~/.kube/config: oc login in this workbench")
    assert workbench == []


def test_what_oc_logout_leaves_is_no_login(workbench, tmp_path, account):
    logged_in(tmp_path)
    account.on("POST", ACCESS, ALLOWED)
    assert choose().source is None


def test_a_login_that_leads_nowhere_is_an_error_that_says_how_to_get_the_local_lab(workbench, tmp_path):
    logged_in(tmp_path, token="sha256~mine")
    with pytest.raises(ClusterUnreachable) as caught:
        connect()
    assert "by ~/.kube/config: oc login in this workbench; for a lab of your own" in caught.value.hint
    assert caught.value.hint.endswith("./lab up")
    assert workbench == []


def test_a_workbenchs_account_is_taken_where_it_may_read_the_lab(workbench, account):
    account.on("POST", ACCESS, ALLOWED)
    source, why, machine, _ = choose(namespaces=["maas-system"])
    assert (source, machine, workbench) == (None, None, [])
    assert why == "by this workbench's service account: nobody has logged in"
    reviews = [body for method, path, _, body, _ in account.asked if path == ACCESS]
    [asked] = [one for one in reviews if one["spec"]["resourceAttributes"]["resource"] == "configmaps"]
    expected = {"verb": "get", "resource": "configmaps", "namespace": "maas-system", "name": "maas-lab"}
    assert asked["spec"] == {"resourceAttributes": expected}


def test_an_account_that_may_do_nothing_is_told_and_the_local_lab_is_started(workbench, account, capsys):
    account.on("POST", ACCESS, REFUSED)
    assert choose().source == LocalCluster().kubeconfig
    assert len(workbench) == 1
    told = capsys.readouterr().out
    assert "Nobody has logged in to a cluster here (`widgets.cluster_login()` in a cell, or `oc login`" in told
    assert "this pod's own account may not read the lab in maas-system" in told


def test_an_account_whose_cluster_does_not_answer_is_an_error(workbench, account):
    account.hangs_up = True
    with pytest.raises(ClusterError) as caught:
        choose()
    assert caught.value.hint.endswith("this is the workbench's own cluster; " + connecting._LOCAL)
    assert workbench == []


def test_a_workbench_without_an_account_starts_the_local_lab(workbench, capsys):
    assert choose().source == LocalCluster().kubeconfig
    assert "this pod has no service account" in capsys.readouterr().out


def test_in_any_other_pod_its_account_is_meant_whatever_it_may(nothing, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    assert choose()[:2] == (None, "by this pod's service account")
    with pytest.raises(UsageError, match="service account"):
        connect()
    assert nothing == []


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, ("maas-system",)),
        (WORKBENCH, ("team-a", "maas-system")),
        (WORKBENCH | {"MAAS_LAB_NAMESPACE": "shared"}, ("shared",)),
        ({"NB_PREFIX": "/somewhere"}, ("maas-system",)),
    ],
)
def test_where_a_platform_may_live(env, found):
    assert settings.namespaces(env) == found
    assert settings.namespace(env) == found[-1]


def test_a_workbenchs_own_platform_comes_before_the_shared_one(workbench, account, tmp_path):
    choice = connecting.Choice(None, "")
    with connecting.Cluster(kubeconfig(tmp_path, account.url)) as cluster:
        assert connecting.place_of(cluster, choice) == "maas-system"
        account.on("GET", "/api/v1/namespaces/team-a/configmaps/maas-lab", {"metadata": {"name": "maas-lab"}})
        assert connecting.place_of(cluster, choice) == "team-a"
        assert connecting.place_of(cluster, choice._replace(machine=LocalCluster())) == "maas-system"
