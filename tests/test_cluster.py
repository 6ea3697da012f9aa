"""The cluster over real HTTP: a server of the test answers as a real control plane was recorded to answer."""

import base64
import itertools
import json
import socket
import ssl
import subprocess
import sys
import threading
import types
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from maas_lab import cluster as cluster_module
from maas_lab import settings, waiting
from maas_lab.cluster import Cluster
from maas_lab.errors import (
    ClusterError,
    ClusterUnreachable,
    Conflict,
    LabError,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    Rejected,
    TookTooLong,
    UsageError,
)
from maas_lab.kinds import kind, ref
from maas_lab.objects import KubeObject, event_rows, pod_reason
from maas_lab.readiness import state
from maas_lab.statuses import Status, refusal

CAPTURES = Path(__file__).parent / "captures" / "kubernetes"
STATUSES = json.loads((CAPTURES / "statuses.json").read_text())
OBJECTS = json.loads((CAPTURES / "objects.json").read_text())
PODS = {pod["metadata"]["name"]: KubeObject.of(pod, "Pod", "v1") for pod in OBJECTS["pods"]["items"]}
GPU_POD = PODS["gpu-869db8df4b-fbcqs"]
TOKEN = "token-of-the-test-0123456789"
SERVED = {
    "v1": ["Namespace", "Pod", "Secret", "ConfigMap", "Event", "Service"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "route.openshift.io/v1": ["Route"],
    "serving.kserve.io/v1beta1": ["InferenceService"],
    "metrics.k8s.io/v1beta1": [],
}
DEPLOYMENT = "/apis/apps/v1/namespaces/o1/deployments/web"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class ControlPlane:
    """Answers what it was told to, in order; the last answer to a call stays. Everything else is not found."""

    def __init__(self):
        self.answers, self.asked, self.hangs_up = defaultdict(list), [], False
        self._discovery()
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if plane.hangs_up:
                    self.close_connection = True
                    return
                status, found = plane.find(self.command, urlsplit(self.path), body, self.headers)
                sent = found.encode() if isinstance(found, str) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("content-type", "text/plain" if isinstance(found, str) else "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _discovery(self):
        self.on("GET", "/version", {"gitVersion": "v1.36.2"})
        groups = [version.split("/") for version in SERVED if "/" in version]
        listed = [{"groupVersion": f"{group}/{version}", "version": version} for group, version in groups]
        names = [group for group, _ in groups]
        told = [{"name": n, "versions": [v], "preferredVersion": v} for n, v in zip(names, listed, strict=True)]
        self.on("GET", "/apis", {"kind": "APIGroupList", "groups": told})
        for version, kinds in SERVED.items():
            rows = [
                {
                    "name": f"{k.lower()}s",
                    "singularName": k.lower(),
                    "namespaced": k != "Namespace",
                    "kind": k,
                    "verbs": [],
                }
                for k in kinds
            ]
            path = f"/apis/{version}" if "/" in version else f"/api/{version}"
            self.on("GET", path, {"kind": "APIResourceList", "groupVersion": version, "resources": rows})

    def on(self, method, path, *answers):
        self.answers[method, path] = [one if isinstance(one, tuple) else (200, one) for one in answers]

    def refuse(self, method, path, *names):
        self.on(method, path, *((STATUSES[name]["status"], STATUSES[name]["body"]) for name in names))

    def find(self, method, url, body, headers):
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append((method, url.path, query, json.loads(body or "null"), headers))
        queue = self.answers.get((method, url.path))
        if not queue:
            return 404, STATUSES["not found"]["body"]
        return queue.pop(0) if len(queue) > 1 else queue[0]

    def calls(self, *methods):
        return [(method, path) for method, path, *_ in self.asked if method in methods]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def plane():
    running = ControlPlane()
    yield running
    running.close()


def write_kubeconfig(folder, server, cluster=None, **user):
    file = folder / "kubeconfig"
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "alice/lab", "user": {"token": TOKEN} | user}],
        "contexts": [
            {"name": "lab", "context": {"cluster": "lab", "user": "alice/lab", "namespace": "o1"}},
            {"name": "other", "context": {"cluster": "lab", "user": "alice/lab"}},
        ],
        "current-context": "lab",
    }
    file.write_text(json.dumps(told))
    return file


@pytest.fixture
def cluster(plane, tmp_path, monkeypatch):
    monkeypatch.setattr(waiting, "EVERY", 0.01)
    with Cluster(write_kubeconfig(tmp_path, plane.url), timeout=5) as connected:
        yield connected


def deployment(generation=1, replicas=1, **status):
    meta = {"name": "web", "namespace": "o1", "generation": generation, "resourceVersion": "7"}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": status}


def wanted(**spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def secret(**values):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "creds", "namespace": "o1"},
        "stringData": values,
    }


def event(reason, message, kind_="Pod", name="web", type_="Warning", at="2026-11-23T16:08:15Z", version="1"):
    about = {"kind": kind_, "name": name}
    meta = {"name": f"e{version}", "namespace": "o1", "resourceVersion": version}
    return {"metadata": meta, "involvedObject": about, "type": type_, "reason": reason, "message": message} | {
        "lastTimestamp": at,
        "count": 1,
    }


def told(error):
    return "\n".join(error.value.lines())


def version(kubeconfig, **options):
    with Cluster(kubeconfig, **options) as cluster:
        return cluster.version()


def certificate(folder):
    """Make a certificate for 127.0.0.1 that nobody knows."""
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(argv, check=True, capture_output=True)


# Connection


def test_threads_that_begin_at_the_same_time_find_every_kind_and_ask_for_each_once(plane, tmp_path):
    for path in ("/api/v1/namespaces/o1/pods", "/apis/route.openshift.io/v1/namespaces/o1/routes"):
        plane.on("GET", path, {"items": []})
    together = threading.Barrier(16)

    def look(number):
        together.wait()
        return cluster.list(("Pod", "Route")[number % 2])

    with Cluster(write_kubeconfig(tmp_path, plane.url)) as cluster, ThreadPoolExecutor(16) as threads:
        assert list(threads.map(look, range(16))) == [[]] * 16
    asked = [path for _, path in plane.calls("GET") if not path.endswith(("pods", "routes"))]
    assert sorted(asked) == sorted(set(asked))


def test_a_cluster_says_which_server_and_user_and_sends_nothing_before_the_first_call(plane, tmp_path):
    with Cluster(write_kubeconfig(tmp_path, plane.url)) as cluster:
        assert repr(cluster) == f"Cluster({plane.url}, as alice/lab)"
        assert (cluster.namespace, plane.asked) == ("o1", [])
        assert cluster.version() == "v1.36.2"
        assert TOKEN not in repr(vars(cluster))
    assert plane.asked[-1][4]["authorization"] == f"Bearer {TOKEN}"


def test_another_context_and_namespace(plane, tmp_path):
    file = write_kubeconfig(tmp_path, plane.url)
    assert Cluster(file, "other").namespace == "default"
    assert Cluster(file, namespace="mine").namespace == "mine"
    with pytest.raises(UsageError, match="cannot be used"):
        Cluster(file, "none")


@pytest.mark.parametrize("text", ["", "[]", "x", "{", "clusters: 1", "current-context: lab", "a: [b"])
def test_a_file_that_is_no_kubeconfig(tmp_path, text):
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(UsageError, match="cannot be used"):
        Cluster(tmp_path / "kubeconfig")


@pytest.mark.parametrize("server", ["not a url", "http://127.0.0.1:99999", "https://", "ftp://x"])
def test_a_server_that_is_no_address(tmp_path, server):
    with pytest.raises(UsageError, match="names no address"):
        Cluster(write_kubeconfig(tmp_path, server))


def test_a_host_that_nobody_knows(tmp_path):
    with pytest.raises(ClusterUnreachable) as error:
        version(write_kubeconfig(tmp_path, "https://no-such-host.invalid"))
    assert error.value.why == "there is no host of this name"


def test_a_kubeconfig_that_is_not_there_and_a_certificate_that_is_none(plane, tmp_path):
    with pytest.raises(UsageError, match="there is no kubeconfig"):
        Cluster(tmp_path / "none")
    bad = {"certificate-authority-data": base64.b64encode(b"no certificate").decode()}
    with pytest.raises(ClusterUnreachable, match="certificates"):
        version(write_kubeconfig(tmp_path, plane.url.replace("http:", "https:"), bad))


def test_without_a_kubeconfig_and_outside_a_pod(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="no service account"):
        Cluster(None)


def test_settings_find_the_kubeconfig():
    assert settings.kubeconfig({}) is None
    assert settings.kubeconfig({"KUBECONFIG": "/a:/b"}) == Path("/a:/b")
    assert settings.kubeconfig({"KUBECONFIG": "/a", "MAAS_LAB_KUBECONFIG": "/c"}) == Path("/c")
    assert not settings.in_cluster({})
    assert settings.in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_nothing_answers(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClusterUnreachable, match="nothing answers") as error:
        version(write_kubeconfig(tmp_path, f"http://127.0.0.1:{port}"))
    assert "./lab up" in told(error)


def test_a_server_that_hangs(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        file = write_kubeconfig(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(ClusterUnreachable, match="in time"):
            version(file, timeout=0.2)


def test_a_certificate_of_a_stranger(plane, tmp_path):
    certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    plane.server.socket = context.wrap_socket(plane.server.socket, server_side=True)
    plane.server.handle_error = lambda *args: None
    url = plane.url.replace("http:", "https:")
    with pytest.raises(ClusterUnreachable, match="cannot be trusted") as error:
        version(write_kubeconfig(tmp_path, url))
    assert "certificate-authority-data" in told(error)
    trusted = {"certificate-authority": str(tmp_path / "cert.pem")}
    assert version(write_kubeconfig(tmp_path, url, trusted)) == "v1.36.2"


def test_https_to_a_server_without_tls(plane, tmp_path):
    plane.server.handle_error = lambda *args: None
    with pytest.raises(ClusterUnreachable, match="does not speak TLS"):
        version(write_kubeconfig(tmp_path, plane.url.replace("http:", "https:")))


@pytest.mark.parametrize("page", ["<html>Log in</html>", "[]", {"kind": "Other"}])
def test_a_login_page_at_the_address(plane, cluster, page):
    for path in ("/version", "/apis", "/api/v1"):
        plane.on("GET", path, page)
    with pytest.raises(ClusterError, match="not the Kubernetes API's"):
        cluster.pods()


# Refusals


def errors_of(name):
    body = STATUSES[name]["body"]
    return refusal(Status.read(STATUSES[name]["status"], json.dumps(body)), "Deployment web in o1")


@pytest.mark.parametrize(
    ("name", "kind_", "what", "why"),
    [
        ("unauthorized", NotLoggedIn, "does not know you", "expired"),
        ("forbidden list", NotAllowed, "you may not list configmaps in the namespace `o1`", "system:serviceaccount"),
        ("forbidden create", NotAllowed, "you may not create deployments.apps", "cannot create resource"),
        ("not found", NotFound, "there is no Deployment web in o1", 'deployments.apps "web" not found'),
        ("no such kind", NotFound, "does not serve", "could not find the requested resource"),
        ("no namespace", NotFound, "there is no namespace `missing`", 'namespaces "missing" not found'),
        ("conflict of one", Conflict, "others own fields", '.data.mode: conflict with "kubectl"'),
        ("stale", Conflict, "has changed meanwhile", "the object has been modified"),
        ("already exists", Conflict, "exists already", "already exists"),
        ("undeclared field", Rejected, "rejects", ".spec.replics: field not declared in schema"),
        ("wrong type", Rejected, "rejects", "spec.replicas: Deployment in version"),
        ("not base64", Rejected, "rejects", "illegal base64 data"),
        ("strict decoding", Rejected, "rejects", "spec.template.spec.containers[0].port: unknown field"),
        ("bad selector", Rejected, "rejects", "unable to parse requirement"),
        ("namespace terminating", Rejected, "too late", "is being terminated"),
        ("log failed", ClusterError, "failed at", "no preferred addresses"),
    ],
)
def test_what_a_real_server_refuses(name, kind_, what, why):
    error = errors_of(name)
    assert type(error) is kind_
    assert what in error.what
    assert why in error.why
    assert error.status == STATUSES[name]["status"]


def test_a_call_without_a_token_is_no_missing_right():
    words = STATUSES["forbidden list"]["body"]["message"].replace("system:serviceaccount:o1:viewer", "system:anonymous")
    error = refusal(Status(403, "Forbidden", words, ()))
    assert (type(error), error.why) == (NotLoggedIn, "the kubeconfig holds no token")


def test_a_missing_right_comes_with_the_command_that_gives_it():
    user = "system:serviceaccount:o1:viewer"
    assert errors_of("forbidden list").hint.endswith(f"oc adm policy add-role-to-user view {user} -n o1")
    assert errors_of("forbidden create").hint.endswith(f"oc adm policy add-role-to-user edit {user} -n o1")


def test_a_quota_is_no_missing_right():
    words = 'pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    error = refusal(Status(403, "Forbidden", words, ()), "Pod a in o1")
    assert (type(error), error.what, error.why) == (NotAllowed, "a quota does not allow Pod a in o1", words)
    assert error.hint.startswith("delete what you no longer need")
    words = 'pods "a" is forbidden: failed quota: q: must specify requests.cpu for: web'
    error = refusal(Status(403, "Forbidden", words, ()), "Pod a in o1")
    assert (type(error), error.what, error.why) == (Rejected, "a quota wants to know more of Pod a in o1", words)
    assert "resources" in error.hint


def test_every_cause_is_on_a_line_of_its_own():
    assert errors_of("invalid").lines() == [
        "Rejected: the cluster rejects Deployment web in o1",
        "  why: metadata.name: Required value: name or generateName is required",
        "       spec.selector: Required value",
        "       spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
        "       spec.template.spec.containers: Required value",
        "  try: correct the manifest; `kubectl explain` shows the fields of a kind",
    ]
    assert errors_of("strict decoding of a custom kind").causes == (
        'spec.predictor.minReplica: unknown field "spec.predictor.minReplica"',
        'spec.predictor.model.modelFromat: unknown field "spec.predictor.model.modelFromat"',
    )


def test_a_conflict_says_who_owns_what_and_how_to_take_it_over():
    error = errors_of("conflict of two")
    assert error.causes == (
        '.spec.replicas: conflict with "kubectl"',
        '.spec.template.spec.containers[name="web"].image: conflict with "kubectl"',
    )
    assert "force=True" in error.hint


@pytest.mark.parametrize("body", [b"", b"\xff", b"null", b"[1]", b'"x"', b'{"kind":"Status","details":[]}', b"{"])
def test_an_answer_without_words(body):
    assert isinstance(refusal(Status.read(502, body)), ClusterError)


# Apply and delete


def test_apply_is_server_side_and_strict_and_says_what_it_did(plane, cluster):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "o1"}}
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "resourceVersion": "3"}, "data": {}}
    plane.on("PATCH", "/api/v1/namespaces/o1", (201, space))
    plane.on("GET", DEPLOYMENT, deployment(replicas=1))
    plane.on("PATCH", DEPLOYMENT, deployment(replicas=2, generation=2))
    plane.on("GET", "/api/v1/namespaces/o1/configmaps/kept", kept)
    plane.on("PATCH", "/api/v1/namespaces/o1/configmaps/kept", kept | {"metadata": {"name": "kept"}})
    changes = cluster.apply({"kind": "List", "items": [wanted(replicas=2), kept, space]})
    assert [(row.kind, row.name, row.namespace, row.action) for row in changes] == [
        ("Namespace", "o1", "", "created"),
        ("Deployment", "web", "o1", "configured"),
        ("ConfigMap", "kept", "o1", "unchanged"),
    ]
    *_, query, body, headers = next(one for one in plane.asked if one[:2] == ("PATCH", DEPLOYMENT))
    assert (query, body) == ({"fieldManager": "maas-lab", "fieldValidation": "Strict"}, wanted(replicas=2))
    assert headers["content-type"] == "application/apply-patch+yaml"


def test_dry_run_and_force_are_asked_for(plane, cluster):
    plane.on("PATCH", DEPLOYMENT, deployment())
    cluster.apply(wanted(), dry_run=True, force=True)
    assert plane.asked[-1][2] == {
        "fieldManager": "maas-lab",
        "fieldValidation": "Strict",
        "dryRun": "All",
        "force": "true",
    }


def test_apply_stops_at_what_is_refused(plane, cluster):
    plane.refuse("PATCH", DEPLOYMENT, "conflict of two")
    with pytest.raises(Conflict, match="others own fields of Deployment web in o1"):
        cluster.apply([wanted(), secret(a="b")])
    assert len(plane.calls("PATCH")) == 1


def test_apply_of_a_folder_renders_it(plane, cluster, monkeypatch):
    asked = []

    def render(folder, namespace):
        asked.append((folder, namespace))
        return [wanted()]

    monkeypatch.setitem(sys.modules, "maas_lab.manifests", types.SimpleNamespace(render=render))
    plane.on("PATCH", DEPLOYMENT, (201, deployment()))
    assert cluster.apply(Path("manifests/x"), "o1")[0].action == "created"
    assert asked == [(Path("manifests/x"), "o1")]


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"kind": "Pod"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 8}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": [], "data": {"k": "hunter2hunter"}},
        "deployment",
        "deploymint/web",
        "deployment/",
    ],
)
def test_what_is_no_object_is_refused_before_anything_is_sent(plane, cluster, given):
    with pytest.raises(UsageError) as error:
        cluster.apply([given])
    assert "hunter2" not in told(error)
    assert plane.calls("PATCH") == []


def test_an_object_of_another_namespace_is_refused(cluster):
    with pytest.raises(UsageError, match="belongs in `o1`, not in `mine`"):
        cluster.apply(secret(a="b"), "mine")


def test_a_kind_that_is_not_served(cluster):
    with pytest.raises(NotFound, match="does not serve the kind Widget"):
        cluster.apply({"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}})


def test_delete_goes_backwards_and_waits_until_all_is_gone(plane, cluster):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "o1"}, "status": {"phase": "Terminating"}}
    gone = (404, STATUSES["not found"]["body"])
    plane.on("DELETE", "/api/v1/namespaces/o1", space)
    plane.on("DELETE", DEPLOYMENT, deployment())
    plane.on("GET", DEPLOYMENT, deployment(), gone)
    plane.on("GET", "/api/v1/namespaces/o1", space, space, gone)
    changes = cluster.delete([space, secret(a="b"), wanted()], timeout=5)
    assert [(row.kind, row.action) for row in changes] == [
        ("Deployment", "deleted"),
        ("Secret", "absent"),
        ("Namespace", "deleted"),
    ]
    assert next(one[3] for one in plane.asked if one[0] == "DELETE")["propagationPolicy"] == "Foreground"


def test_what_somebody_makes_anew_under_the_same_name_is_another(plane, cluster):
    """As GitOps does within a moment; the old one is gone all the same."""
    new = deployment()
    new["metadata"]["uid"] = "another"
    plane.on("DELETE", DEPLOYMENT, {"kind": "Status", "status": "Success", "details": {"uid": "mine"}})
    plane.on("GET", DEPLOYMENT, new)
    assert cluster.delete("deploy/web", timeout=0.05)[0].action == "deleted"


def test_delete_by_name_without_waiting(plane, cluster):
    plane.on("DELETE", DEPLOYMENT, deployment())
    assert cluster.delete("deploy/web", wait=False)[0].action == "deleted"
    assert plane.asked[-1][3]["propagationPolicy"] == "Background"


def test_what_holds_an_object_back_is_told(plane, cluster):
    held = deployment()
    held["metadata"]["finalizers"] = ["lab.io/hold"]
    plane.on("GET", DEPLOYMENT, held)
    with pytest.raises(TookTooLong, match="Deployment web in o1 to go") as error:
        cluster.wait_gone("deployment/web", timeout=0.05)
    assert error.value.why == "Deployment web in o1: finalizer lab.io/hold"


# Secrets


def test_values_of_secrets_are_in_no_error(plane, cluster):
    value, odd = "hunter2hunter", 'a"b\\c'
    words = f'Secret "creds" is invalid: data: Invalid value: "{value}", {json.dumps(odd)}, {TOKEN}, "pw1"'
    words += base64.b64encode(value.encode()).decode()
    status = {"kind": "Status", "message": words, "reason": "Invalid"}
    status["details"] = {"causes": [{"field": "data", "message": words}]}
    plane.on("PATCH", "/api/v1/namespaces/o1/secrets/creds", (422, status))
    with pytest.raises(Rejected) as error:
        cluster.apply(secret(password=value, odd=odd, short="pw1"))
    shown = told(error) + repr(error.value.causes) + str(error.value)
    for hidden in (value, odd, TOKEN, "pw1", base64.b64encode(value.encode()).decode()):
        assert hidden not in shown
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_values_of_secrets_are_in_no_repr_but_can_be_read(plane, cluster):
    value = base64.b64encode(b"hunter2hunter").decode()
    notes = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": value}), "a": "b"}
    stored = {"metadata": {"name": "creds", "namespace": "o1", "annotations": notes}, "data": {"password": value}}
    plane.on("GET", "/api/v1/namespaces/o1/secrets/creds", {"apiVersion": "v1", "kind": "Secret", **stored})
    plane.on("GET", "/api/v1/namespaces/o1/secrets", {"items": [stored]})
    plane.on("GET", "/api/v1/namespaces/o1/events", {"items": []})
    found = cluster.get("secret", "creds")
    views = [found, found["data"], dict(found), cluster.list("secrets"), cluster.describe("secret", "creds")]
    assert value not in "".join(map(repr, views)) + "".join(map(str, views))
    assert found["data"]["password"] == value
    assert json.loads(json.dumps(found))["data"] == {"password": value}


# Readiness


@pytest.mark.parametrize(
    ("status", "ready", "text"),
    [
        ({}, False, "waits for its controller"),
        ({"observedGeneration": 1}, False, "0 of 2 updated"),
        ({"observedGeneration": 1, "updatedReplicas": 2, "replicas": 3}, False, "1 of the old version still there"),
        ({"observedGeneration": 1, "updatedReplicas": 2, "replicas": 2}, False, "0 of 2 available"),
        (OBJECTS["Deployment"]["status"], True, "2 of 2 available"),
    ],
)
def test_when_a_deployment_is_ready(status, ready, text):
    assert state(deployment(replicas=2) | {"status": status}) == (ready, text)


def test_when_others_are_ready():
    service = {"kind": "InferenceService", "metadata": {"name": "m", "generation": 2}, "status": {}}
    assert not state(service).ready
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert state(service | {"status": ready}).ready
    assert not state(service | {"status": ready | {"observedGeneration": 1}}).ready
    assert state(OBJECTS["StatefulSet"]).ready
    assert not state(OBJECTS["StatefulSet"] | {"status": {"observedGeneration": 1, "updatedReplicas": 1}}).ready
    assert {name: state(pod).ready for name, pod in PODS.items()} == {
        "big": False,
        "gpu-869db8df4b-fbcqs": False,
        "grade-0-7kqp2": True,
        "web2-549996568-9xpbh": True,
        "web2-549996568-zskrj": True,
    }
    assert state({"kind": "ConfigMap", "metadata": {}}).ready
    assert not state({"kind": "Namespace", "metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Active"}}).ready


def test_wait_ready_tells_how_far_it_is(plane, cluster):
    done = {"observedGeneration": 1, "updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}
    gone = (404, STATUSES["not found"]["body"])
    plane.on("GET", DEPLOYMENT, gone, deployment(), deployment(), deployment(**done))
    lines = []
    cluster.wait_ready([wanted()], timeout=5, progress=lines.append)
    assert lines == [
        "Deployment web in o1: does not exist yet",
        "Deployment web in o1: waits for its controller",
        "Deployment web in o1: 1 of 1 available",
    ]


def test_nobody_waits_for_what_was_never_applied(plane, cluster, monkeypatch):
    monkeypatch.setattr(waiting, "ABSENT_S", 0.2)
    gone = (404, STATUSES["not found"]["body"])
    plane.on("GET", DEPLOYMENT, gone)
    with pytest.raises(NotFound, match="Deployment web in o1 does not exist") as error:
        cluster.wait_ready("deployment/web", timeout=60)
    assert "applies it" in error.value.hint
    plane.on("GET", DEPLOYMENT, deployment(), gone)
    with pytest.raises(TookTooLong):  # it was there: whoever deleted it may make it again
        cluster.wait_ready("deployment/web", timeout=1)


def test_a_wait_in_vain_says_why(plane, cluster):
    unmet = {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "none"}
    waiting_state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    crashed = {"name": "c", "ready": False, "restartCount": 3, "state": waiting_state}
    pod = {
        "metadata": {"name": "web-1", "namespace": "o1"},
        "spec": {"containers": [{"name": "c"}]},
        "status": {"phase": "Running", "containerStatuses": [crashed]},
    }
    plane.on("GET", DEPLOYMENT, deployment(observedGeneration=1, updatedReplicas=1, replicas=1, conditions=[unmet]))
    plane.on("GET", "/api/v1/namespaces/o1/pods", {"items": [pod, GPU_POD]})
    plane.on("GET", "/api/v1/namespaces/o1/events", {"items": [event("BackOff", "Back-off restarting")]})
    plane.on("GET", "/api/v1/namespaces/o1/pods/web-1/log", "starting\nno such model\n")
    with pytest.raises(TookTooLong, match=r"waited 0.05 s for Deployment web in o1 to become ready") as error:
        cluster.wait_ready("deployment/web", timeout=0.05)
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: "
    message += "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    assert error.value.why.splitlines() == [
        "Deployment web in o1: 0 of 1 available",
        "  Available is False: MinimumReplicasUnavailable: none",
        "  event BackOff: Back-off restarting",
        "  pod gpu-869db8df4b-fbcqs (Pending, 0/1 ready, 0 restarts) Unschedulable: " + message,
        "    event BackOff: Back-off restarting",
        "  pod web-1 (Running, 0/1 ready, 3 restarts) CrashLoopBackOff: back-off 10s",
        "    event BackOff: Back-off restarting",
        "    log: starting",
        "    log: no such model",
    ]
    log = next(one for one in plane.asked if one[1].endswith("/log"))
    assert log[2] == {"tailLines": "5", "container": "c", "previous": "true"}


def test_a_wait_goes_on_when_a_call_is_lost_and_ends_at_a_missing_right(plane, cluster):
    plane.refuse("GET", DEPLOYMENT, "forbidden list")
    with pytest.raises(NotAllowed):
        cluster.wait_ready("deployment/web", timeout=5)
    plane.hangs_up = True
    with pytest.raises(TookTooLong) as error:
        cluster.wait_ready("deployment/web", timeout=0.05)
    assert "ClusterUnreachable" in error.value.why


def test_a_wait_for_a_stuck_pod_returns_it_when_there_is_one(plane, cluster):
    def pod(name, **state):
        states = [{"name": "c", "ready": False, "restartCount": 1, "state": state}]
        return {"metadata": {"name": name}, "spec": {"containers": [{}]}, "status": {"containerStatuses": states}}

    starting = pod("a", waiting={"reason": "ContainerCreating"}), pod("b", terminated={"exitCode": 1})
    stuck = pod("b", waiting={"reason": "CrashLoopBackOff"})
    plane.on("GET", "/api/v1/namespaces/o1/pods", {"items": list(starting)}, {"items": [starting[0], stuck]})
    row = cluster.wait_stuck(timeout=5)
    assert (row.name, row.reason, row.restarts) == ("b", "CrashLoopBackOff", 1)


# Look


def test_what_leads_to_a_gateway(plane, cluster):
    admitted = {"host": "web.example.com", "conditions": [{"type": "Admitted", "status": "True"}]}
    body = {"metadata": {"name": "web"}, "spec": {"tls": {}}, "status": {"ingress": [admitted]}}
    plane.on("GET", "/apis/route.openshift.io/v1/namespaces/o1/routes/web", body)
    assert cluster.route_url("web") == "https://web.example.com"
    plane.on("GET", "/api/v1/namespaces/o1/secrets/creds", {"metadata": {"name": "creds"}, "data": {"key": "c2stMQ=="}})
    assert cluster.secret("creds", "key").reveal() == "sk-1"
    assert cluster.own_namespace("maas-lab-02").startswith("maas-lab-02-alice-lab-")


def test_pods_in_one_line_each(plane, cluster):
    items = sorted(PODS.values(), key=lambda pod: pod["metadata"]["uid"])
    plane.on("GET", "/api/v1/namespaces/o1/pods", {"items": items})
    assert repr(cluster.pods()).splitlines() == [
        "NAME                   READY   PHASE       RESTARTS   REASON",
        "big                    0/1     Pending     0          Unschedulable",
        "gpu-869db8df4b-fbcqs   0/1     Pending     0          Unschedulable",
        "grade-0-7kqp2          0/1     Succeeded   0",
        "web2-549996568-9xpbh   1/1     Running     0",
        "web2-549996568-zskrj   1/1     Running     0",
    ]
    assert '<td style="text-align: left">Unschedulable</td>' in cluster.pods()._repr_html_()


def test_what_pods_use(plane, cluster):
    pods = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}
    told = {"kind": "APIResourceList", "groupVersion": "metrics.k8s.io/v1beta1", "resources": [pods]}
    plane.on("GET", "/apis/metrics.k8s.io/v1beta1", told)
    usage = [{"cpu": "1018700n", "memory": "57972Ki"}, {"cpu": "1250m", "memory": "1Gi"}]
    containers = [{"name": f"c{number}", "usage": one} for number, one in enumerate(usage)]
    items = [{"metadata": {"name": name}, "containers": containers[at:]} for at, name in enumerate(("web", "db"))]
    plane.on("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/o1/pods", {"kind": "PodMetricsList", "items": items})
    rows = cluster.top(selector="app=web")
    assert plane.asked[-1][2]["labelSelector"] == "app=web"
    assert [(row.name, int(row.memory), row.cores) for row in rows] == [
        ("db", 2**30, 1.25),
        ("web", 2**30 + 57972 * 1024, 1.251),
    ]
    assert repr(rows).splitlines()[1] == "db     1,074 MB   1.25"


def test_nothing_measures_pods(cluster):
    with pytest.raises(NotFound, match="does not serve the kind PodMetrics"):
        cluster.top()


def test_a_table_escapes_and_an_empty_one_says_so(plane, cluster):
    plane.on("GET", "/api/v1/namespaces/o1/events", {"items": [event("A", "<b>\nx")]})
    assert "&lt;b&gt; x" in cluster.events()._repr_html_()
    plane.on("GET", "/api/v1/namespaces/o1/pods", {"items": []})
    assert (repr(cluster.pods()), cluster.pods()._repr_html_()) == ("(none)", "<p>(none)</p>")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"reason": "Evicted", "message": "disk"}, ("Evicted", "disk")),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}, ("ErrImagePull", "")),
        (
            {"containerStatuses": [{"state": {"terminated": {"exitCode": 2, "reason": "Error"}}}]},
            ("Error", "exit code 2"),
        ),
        ({"containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}, ("", "")),
        ({}, ("", "")),
    ],
)
def test_why_a_pod_is_not_ready(status, reason):
    assert pod_reason({"status": status}) == reason


def test_lists_are_read_page_by_page(plane, cluster):
    names = [f"p{number}" for number in range(4)]
    items = [{"metadata": {"name": name, "namespace": "o1"}} for name in names]
    pages = [{"metadata": {"continue": "next"}, "items": items[2:]}, {"metadata": {}, "items": items[:2]}]
    plane.on("GET", "/api/v1/pods", *pages)
    assert [pod.name for pod in cluster.list("po", "*", selector="a=b", fields="c=d")] == names
    assert [one[2].get("continue") for one in plane.asked[-2:]] == [None, "next"]
    assert {one[2]["labelSelector"] + one[2]["fieldSelector"] for one in plane.asked[-2:]} == {"a=bc=d"}


def test_logs_of_a_pod_and_of_a_workload(plane, cluster):
    plane.on("GET", DEPLOYMENT, deployment())
    plane.on("GET", "/api/v1/namespaces/o1/pods", OBJECTS["pods"])
    plane.on("GET", "/api/v1/namespaces/o1/pods/big/log", '{"a": 1}\n')
    assert cluster.logs("big") == '{"a": 1}\n'
    assert repr(cluster.logs("deployment/web", previous=True, tail=2)) == '{"a": 1}\n'
    assert plane.asked[-1][2] == {"tailLines": "2", "previous": "true"}
    plane.on("GET", "/api/v1/namespaces/o1/pods", {"items": []})
    with pytest.raises(NotFound, match="has no pod"):
        cluster.logs("deployment/web")
    with pytest.raises(NotFound, match="there is no log of Pod none in o1"):
        cluster.logs("none")


def test_events_are_in_the_order_in_which_they_happened(plane, cluster):
    late = event("Late", "x", at="2026-11-23T16:08:16Z", version="1")
    new = event("New", "x", version="10") | {"lastTimestamp": None, "eventTime": "2026-11-23T16:08:15.123456Z"}
    first = event("First", "x", version="9", type_="Normal")
    for order in itertools.permutations([late, new, first]):
        assert [row.reason for row in event_rows(order)] == ["First", "New", "Late"]
    plane.on("GET", "/api/v1/namespaces/o1/events", {"items": [first]})
    assert cluster.events(of="pod/web")[0].object == "Pod/web"
    assert plane.asked[-1][2]["fieldSelector"] == "involvedObject.kind=Pod,involvedObject.name=web"


def test_describe_shows_what_is_wanted_and_how_it_is(plane, cluster):
    body = OBJECTS["Deployment"]
    name = body["metadata"]["name"]
    plane.on("GET", f"/apis/apps/v1/namespaces/o1/deployments/{name}", body)
    plane.on("GET", "/api/v1/namespaces/o1/pods", OBJECTS["pods"])
    plane.on("GET", "/api/v1/namespaces/o1/events", {"items": [event("ScalingReplicaSet", "up", type_="Normal")]})
    text = repr(cluster.describe("deploy", name))
    assert text.startswith(f"Deployment {name} in o1: ")
    for part in ("image: img:1", "Available: 'True: MinimumReplicasAvailable", "Unschedulable", "ScalingReplicaSet"):
        assert part in text
    assert "last-applied" not in text + repr(dict(cluster.get("deploy", name)))


def test_names_with_odd_letters_stay_one_part_of_the_path(plane, cluster):
    for name in ("../secrets/creds", "a?b=c", "..", "a b"):
        with pytest.raises(NotFound):
            cluster.get("pod", name)
        assert plane.asked[-1][1].startswith("/api/v1/namespaces/o1/pods/")
        assert plane.asked[-1][1].count("/") == 6
        assert plane.asked[-1][2] == {}


def test_an_empty_name_is_no_object(cluster):
    with pytest.raises(UsageError, match="this names no Secret"):
        cluster.secret("", "key")


def test_kinds_go_by_all_their_names():
    for name in ("Deployment", "deployments", "deploy", "DEPLOY"):
        assert kind(name) == ("Deployment", "apps/v1")
    assert kind("networkpolicies").name == "NetworkPolicy"
    assert kind("Job", "batch/v1") == ("Job", "batch/v1")
    assert str(ref("ns/mine", "ignored")) == "Namespace mine"
    with pytest.raises(UsageError, match="no kind of objects") as error:
        kind("deplo")
    assert "did you mean `deploy`" in error.value.hint


def test_an_object_prints_as_one_line():
    assert repr(GPU_POD) == "Pod gpu-869db8df4b-fbcqs in o1"


# Rights


def test_missing_rights_come_with_the_command_that_gives_them(plane, cluster):
    no_projects, allowed = (False, False), (True, False, False, False, False)
    plane.on("POST", ACCESS, *({"status": {"allowed": one}} for one in (*no_projects, *allowed)))
    plane.on("POST", WHO, {"status": {"userInfo": {"username": "alice"}}})
    rules = ["get pods/log", "patch deployments.apps", "list events", "get secrets", "create namespaces"]
    rows = cluster.permissions(rules)
    assert [(row.resource, row.namespace, row.allowed, row.ask) for row in rows] == [
        ("pods/log", "o1", True, ""),
        ("deployments.apps", "o1", False, "oc adm policy add-role-to-user edit alice -n o1"),
        ("events", "o1", False, "oc adm policy add-role-to-user view alice -n o1"),
        ("secrets", "o1", False, "oc adm policy add-role-to-user edit alice -n o1"),
        ("namespaces", "", False, "oc adm policy add-cluster-role-to-user self-provisioner alice"),
    ]
    asked = [one[3]["spec"]["resourceAttributes"] for one in plane.asked if one[1] == ACCESS][len(no_projects) :]
    assert asked[0] == {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "o1"}
    assert asked[1] == {"verb": "patch", "resource": "deployments", "group": "apps", "namespace": "o1"}
    assert asked[4] == {"verb": "create", "resource": "namespaces"}


def test_who_am_i_on_clusters_that_tell_it_differently(plane, cluster):
    assert cluster.whoami() == "alice/lab"
    plane.on("GET", "/apis/user.openshift.io/v1/users/~", {"metadata": {"name": "bob"}})
    assert cluster.whoami() == "bob"


def test_a_right_that_is_none(cluster):
    with pytest.raises(UsageError, match="is no right"):
        cluster.permissions(["pods"])


def test_a_provider_asks_for_what_the_lessons_do(plane, cluster):
    plane.on("POST", ACCESS, {"status": {"allowed": True}})
    rows = cluster.permissions(namespace="mine")
    assert len(rows) == len(cluster_module.rights.PROVIDER)
    assert all(row.allowed for row in rows)


def test_all_errors_are_lab_errors():
    for kind_ in (ClusterUnreachable, Conflict, NotAllowed, NotFound, NotLoggedIn, Rejected):
        assert issubclass(kind_, ClusterError)
        assert issubclass(kind_, LabError)
