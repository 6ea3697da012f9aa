"""Whom to trust and which way to take: every client over real TLS, with an authority of its own and through a proxy."""

import base64
import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading

import pytest

from maas_lab import ask, network, openai_client, trust
from maas_lab.cluster import Cluster
from maas_lab.curl import Curl
from maas_lab.errors import ClusterUnreachable, GatewayUnreachable, LabError
from maas_lab.gateway import Gateway
from maas_lab.lab import Lab
from maas_lab.logins import Login
from maas_lab.platform import Platform
from tests.test_cluster import ControlPlane, write_kubeconfig

KEY = "sk-key-of-the-test-0123456789"
HOST = "api.lab.test"  # reached by the proxy only
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY")
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE], "usage": USAGE}
FACTS = {"model": "m", "gateway-route": "litellm", "gateway-secret": "s", "gateway-secret-key": "k"}


def openssl(folder, *argv):
    told = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    subprocess.run([*told, *argv], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with an authority of the test's own, `ca.pem`, and a server's certificate and key."""
    folder = tmp_path_factory.mktemp("authority")
    signs = ["-addext", "keyUsage=critical,keyCertSign"]
    openssl(folder, "-subj", "/CN=ours", *signs, "-keyout", "ca.key", "-out", "ca.pem")
    names = ["-addext", f"subjectAltName=IP:127.0.0.1,DNS:{HOST}", "-addext", "basicConstraints=critical,CA:FALSE"]
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "authorityKeyIdentifier=keyid"]
    openssl(folder, "-subj", "/CN=server", *names, *signed, "-keyout", "key.pem", "-out", "cert.pem")
    return folder


@pytest.fixture
def server(authority, monkeypatch):
    """Kubernetes API, gateway and model in one server, behind TLS."""
    for name in (*VARIABLES, "NO_PROXY"):
        for form in (name, name.lower()):
            monkeypatch.delenv(form, raising=False)
    plane = ControlPlane()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    plane.server.socket = context.wrap_socket(plane.server.socket, server_side=True)
    plane.server.handle_error = lambda *args: None
    plane.url = plane.url.replace("http:", "https:")
    plane.on("GET", "/health/readiness", {"litellm_version": "1.81.0"})
    plane.on("POST", "/v1/chat/completions", ANSWER)
    yield plane
    plane.close()


class Proxy:
    """A proxy for TLS: notes where people want to go, and leads all of them to one port."""

    def __init__(self, port):
        self.asked, self.known, self._port = [], [], port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(" ".join(head.decode().split()[:2]))
        self.known += re.findall(r"^proxy-authorization: (.*?)\r$", head.decode(), re.M | re.I)
        server = socket.create_connection(("127.0.0.1", self._port))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=copy, args=(server, client), daemon=True)
        back.start()
        copy(client, server)
        back.join()
        client.close()
        server.close()

    def close(self):
        self._listener.close()


def copy(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(server, monkeypatch):
    running = Proxy(server.server.server_port)
    monkeypatch.setenv("HTTPS_PROXY", running.url)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # must not be taken for https://
    monkeypatch.setenv("NO_PROXY", ".svc,localhost")
    yield running
    running.close()


def kubernetes(url):
    with Cluster(Login.of(url, KEY)) as cluster:
        return cluster.version()


def kubernetes_by_file(url, folder):
    with Cluster(write_kubeconfig(folder, url)) as cluster:
        return cluster.version()


def gateway(url):
    with Gateway(url, KEY) as found:
        return found.version()


def openai(url):
    with openai_client(f"{url}/v1", KEY) as client:
        return ask(client, "Hello", model="m").text


def curl(url):
    return Curl(f"{url}/v1", KEY, "Hello", model="m").run(timeout=10)["choices"][0]["message"]["content"]


CLIENTS = [kubernetes, gateway, openai, curl]


@pytest.mark.parametrize("call", CLIENTS)
def test_ssl_cert_file_is_what_every_client_trusts(server, authority, monkeypatch, call):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    assert call(server.url)


def test_so_does_a_kubeconfig_that_names_no_authority(server, authority, monkeypatch, tmp_path):
    with pytest.raises(ClusterUnreachable, match="cannot be trusted"):
        kubernetes_by_file(server.url, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    assert kubernetes_by_file(server.url, tmp_path)


@pytest.mark.parametrize("call", CLIENTS[:3])
@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        (None, "set SSL_CERT_FILE to the file with your cluster's certificate authority"),
        ("REQUESTS_CA_BUNDLE", "export SSL_CERT_FILE=$REQUESTS_CA_BUNDLE"),
    ],
)
def test_without_it_the_error_says_what_to_set(server, authority, monkeypatch, call, variable, hint):
    if variable:
        monkeypatch.setenv(variable, str(authority / "ca.pem"))
    with pytest.raises((ClusterUnreachable, GatewayUnreachable)) as caught:
        call(server.url)
    assert hint in caught.value.hint


def test_a_file_that_does_not_hold_the_authority_is_told():
    told = network.authority_hint({"SSL_CERT_FILE": "/other.pem", "REQUESTS_CA_BUNDLE": "/other.pem"})
    assert told.startswith("add the authority that signed it to the file that SSL_CERT_FILE names")


@pytest.mark.parametrize("call", CLIENTS)
def test_every_client_goes_through_the_proxy_of_the_addresss_own_scheme(proxy, authority, monkeypatch, call):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    assert call(f"https://{HOST}")
    assert set(proxy.asked) == {f"CONNECT {HOST}:443"}
    assert proxy.known == []


@pytest.mark.parametrize("call", CLIENTS)
def test_a_proxy_that_wants_a_name_gets_it_from_every_client(proxy, authority, monkeypatch, call):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:p%40ss@"))
    assert call(f"https://{HOST}")
    assert set(proxy.known) == {f"Basic {base64.b64encode(b'me:p@ss').decode()}"}


@pytest.mark.parametrize("call", CLIENTS)
def test_what_is_inside_of_the_cluster_needs_no_proxy(proxy, server, authority, monkeypatch, call):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    with pytest.raises(LabError):
        call("https://litellm.maas-system.svc")  # no such host here
    assert call is curl or call(server.url)  # curl knows loopback by `settings.never_proxy_inside` only
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("env", "url", "found"),
    [
        ({}, "https://a", None),
        ({"HTTPS_PROXY": "P"}, "https://a", "P"),
        ({"HTTPS_PROXY": "P", "https_proxy": "q"}, "https://a", "q"),
        ({"HTTP_PROXY": "P"}, "https://a", None),
        ({"ALL_PROXY": "P"}, "https://a", "P"),
        ({"HTTPS_PROXY": "P"}, "https://127.0.0.1:1", None),
        ({"HTTPS_PROXY": "P"}, "https://gateway.maas-system.svc:8443", None),
        ({"HTTPS_PROXY": "P", "KUBERNETES_SERVICE_HOST": "172.30.0.1"}, "https://172.30.0.1", None),
        ({"HTTPS_PROXY": "P", "NO_PROXY": "x, .a.b"}, "https://api.a.b:6443", None),
        ({"HTTPS_PROXY": "P", "NO_PROXY": "x,.a.b"}, "https://api.aa.b", "P"),
    ],
)
def test_which_proxy_is_taken(env, url, found):
    assert network.proxy(url, env) == found


# The cluster's own authority


def name(namespace, kind):
    return f"/api/v1/namespaces/{namespace}/configmaps/{kind}"


@pytest.fixture
def told(authority):
    """A cluster whose own ConfigMaps hold the authority, and whose Route leads to the server behind TLS."""
    plane = ControlPlane()
    yield plane
    plane.close()


@pytest.fixture
def cluster(told, server, authority, tmp_path):
    pem = (authority / "ca.pem").read_text()
    told.on("GET", name("maas", "kube-root-ca.crt"), {"data": {"ca.crt": "-----BEGIN CERTIFICATE-----\nx\n"}})
    told.on("GET", name("maas", "openshift-service-ca.crt"), {"data": {"service-ca.crt": pem}})
    told.on("GET", name("maas", "maas-lab"), {"metadata": {"uid": "u"}, "data": FACTS})
    told.on("GET", "/api/v1/namespaces/maas/secrets/s", {"metadata": {"name": "s"}, "data": {"k": "c2stMQ=="}})
    admitted = {"host": server.url.removeprefix("https://"), "conditions": [{"type": "Admitted", "status": "True"}]}
    route = {"metadata": {"name": "litellm"}, "spec": {"tls": {}}, "status": {"ingress": [admitted]}}
    told.on("GET", "/apis/route.openshift.io/v1/namespaces/maas/routes/litellm", route)
    status = {"url": server.url}
    service = {"metadata": {"name": "m", "namespace": "maas"}, "spec": {"predictor": {}}, "status": status}
    told.on("GET", "/apis/serving.kserve.io/v1beta1/namespaces/maas/inferenceservices/m", service)
    with Cluster(write_kubeconfig(tmp_path, told.url)) as connected:
        yield connected


def test_what_the_cluster_signs_is_trusted_by_all_that_the_lab_hands_out(cluster, server):
    """A ConfigMap that is damaged, and one that is not there, are nothing to stop at."""
    lab = Lab(cluster, "maas")
    assert lab.gateway.version() == "1.81.0"
    for client in (lab.client(KEY), Platform(cluster, "maas").direct_client()):
        with client:
            assert ask(client, "Hello", model="m").text == "hello"
    assert lab.curl(KEY, "Hello").run(timeout=10)["id"] == "c"
    lab.gateway.close()


def test_the_routers_authority_can_be_pinned_for_other_programs(
    cluster, told, server, authority, tmp_path, monkeypatch
):
    told.on("GET", name("maas", "openshift-service-ca.crt"), (403, {}))
    told.on(
        "GET",
        name("openshift-config-managed", "default-ingress-cert"),
        {"data": {"ca-bundle.crt": (authority / "ca.pem").read_text()}},
    )
    lab = Lab(cluster, "maas")
    lab.gateway.close()
    file = lab.authorities(tmp_path / "ca.pem")
    assert len(ssl.create_default_context(cafile=file).get_ca_certs()) > 50  # this machine's are in it, too
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert [call(server.url) for call in CLIENTS] == ["v1.36.2", "1.81.0", "hello", "hello"]


def test_a_context_trusts_no_more_than_it_is_told(authority):
    before = len(trust.machine().get_ca_certs())
    assert len(trust.machine("", "nonsense", "é", (authority / "ca.pem").read_text()).get_ca_certs()) == before + 1
    assert json.dumps(trust.pod()) == "[]"
