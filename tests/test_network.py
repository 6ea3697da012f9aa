"""The cluster's network: names, who answers, and the forwarder as the process that it is."""

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import string
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from maas_lab import wait
from maas_lab.local.home import write_private
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers.client import (
    ENDPOINT_SLICE,
    INFERENCE_SERVICE,
    NAMESPACE,
    POD,
    ROUTE,
    SERVICE,
    SERVING_RUNTIME,
    Client,
)
from maas_lab.local.kube.controllers.work import Work
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.store import Store
from maas_lab.local.network import forwarder
from maas_lab.local.network.endpoints import Endpoints
from maas_lab.local.network.names import Names
from maas_lab.local.network.ports import Ports

LOOPBACK = "127.0.0.1"
GONE = (ConnectionRefusedError, ConnectionResetError)


class Backend:
    """A server that answers each connection with its own function, in threads."""

    def __init__(self, serve, port=0):
        self._listener = socket.create_server((LOOPBACK, port))
        self.port = self._listener.getsockname()[1]
        self._serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection, contextlib.suppress(OSError):
            self._serve(connection)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def name_and_echo(name):
    def serve(connection):
        connection.sendall(name.encode() + b"\n")
        while data := connection.recv(65536):
            connection.sendall(data)

    return serve


@pytest.fixture
def backend():
    """Start a server whose function serves one connection."""
    with contextlib.ExitStack() as started:

        def start(serve, port=0):
            one = Backend(serve, port)
            started.callback(one.close)
            return one

        yield start


class Forwarder:
    """The forwarder as a process, and its table."""

    def __init__(self, folder):
        self.ports = Ports(folder / "ports.json")
        self.table, self.log = folder / "network.json", folder / "log"
        self.process = None

    def lead(self, *, is_http=False, **ways):
        """Write a table of ports by name, and have it read."""
        told = {self.ports.of(name): {"to": list(to), "http": is_http} for name, to in ways.items()}
        write_private(self.table, json.dumps(told))
        if self.process:
            self.process.send_signal(signal.SIGHUP)
        else:
            self.start()
        for name, to in ways.items():
            if to or is_http:
                wait.until(lambda name=name: self.answers(name), what=f"the port of {name}", timeout=10)

    def start(self):
        """Start it as a parent does that ignores SIGHUP."""
        argv = [sys.executable, "-I", forwarder.__file__, str(self.table)]
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        signal.signal(signal.SIGHUP, before)

    def answers(self, name):
        with contextlib.suppress(*GONE), self.connect(name):
            return True

    def refuses(self, name):
        return not self.answers(name)

    def connect(self, name):
        return socket.create_connection((LOOPBACK, self.ports.of(name)), timeout=10)

    def who(self, name):
        with self.connect(name) as connection:
            return read_line(connection)

    def get(self, name, method="GET", body=None):
        connection = http.client.HTTPConnection(LOOPBACK, self.ports.of(name), timeout=10)
        with contextlib.closing(connection):
            connection.request(method, "/v1/models", body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=10)


@pytest.fixture
def forward(tmp_path):
    running = Forwarder(tmp_path)
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        got = connection.recv(1)
        if not got:
            break
        line += got
    return line.decode().strip()


def read_all(connection):
    found = bytearray()
    while data := connection.recv(1 << 16):
        found += data
    return bytes(found)


def test_connections_go_to_the_pods_in_turn(forward, backend):
    pods = [backend(name_and_echo(name)) for name in "abc"]
    forward.lead(web=[pod.port for pod in pods])
    seen = [forward.who("web") for _ in range(9)]
    assert sorted(seen) == sorted("abc" * 3)
    assert seen[:3] == seen[3:6] == seen[6:]


def test_a_pod_that_refuses_is_passed_over(forward, backend):
    gone, there = backend(name_and_echo("gone")), backend(name_and_echo("there"))
    gone.close()
    forward.lead(web=[gone.port, there.port])
    assert [forward.who("web") for _ in range(4)] == ["there"] * 4


def test_one_direction_may_end_before_the_other(forward, backend):
    pod = backend(lambda connection: connection.sendall(hashlib.sha256(read_all(connection)).hexdigest().encode()))
    forward.lead(web=[pod.port])
    with forward.connect("web") as connection:
        connection.sendall(b"x" * 100_000)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).decode() == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_an_answer_may_end_before_the_question(forward, backend):
    heard = []

    def serve(connection):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    forward.lead(web=[backend(serve).port])
    with forward.connect("web") as connection:
        assert read_all(connection) == b"bye"
        connection.sendall(b"still here")
    wait.until(lambda: b"still here" in heard, what="the rest of the question", timeout=10)


def test_fifty_megabytes_there_and_back_unchanged(forward, backend):
    def serve(connection):
        while data := connection.recv(1 << 16):
            connection.sendall(data)

    forward.lead(web=[backend(serve).port])
    sent = random.Random(1).randbytes(1_000_000) * 50
    with forward.connect("web") as connection:
        writer = threading.Thread(target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR)))
        writer.start()
        got = read_all(connection)
        writer.join()
    assert len(got) == len(sent)
    assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_slow_reader_slows_the_writer_down(forward, backend):
    size, sent, held_up = 100_000_000, [], threading.Event()

    def serve(connection):
        if not connection.recv(1):
            return
        connection.settimeout(0.5)
        while sum(sent) < size:
            try:
                sent.append(connection.send(bytes(1_000_000)))
            except TimeoutError:
                held_up.set()
                connection.settimeout(None)

    forward.lead(web=[backend(serve).port])
    before = resident(forward.process.pid)
    with forward.connect("web") as connection:
        connection.sendall(b"x")
        assert held_up.wait(20)
        assert sum(sent) < size / 2
        assert resident(forward.process.pid) - before < 10_000_000
        assert len(read_all(connection)) == sum(sent) >= size


def test_a_new_table_leaves_open_connections_alone(forward, backend):
    old, new = backend(name_and_echo("old")), backend(name_and_echo("new"))
    forward.lead(web=[old.port], other=[old.port])
    with forward.connect("web") as first, forward.connect("other") as second:
        assert (read_line(first), read_line(second)) == ("old", "old")
        forward.lead(web=[new.port])
        wait.until(lambda: forward.refuses("other"), what="the other port to close", timeout=10)
        assert forward.who("web") == "new"
        for connection in (first, second):
            connection.sendall(b"ping\n")
            assert read_line(connection) == "ping"


def test_without_pods_a_service_refuses_until_there_are_some(forward, backend):
    pod = backend(name_and_echo("a"))
    forward.lead(web=[], other=[pod.port])
    with pytest.raises(ConnectionRefusedError):
        forward.connect("web")
    forward.lead(web=[pod.port], other=[pod.port])
    assert forward.who("web") == "a"
    forward.lead(web=[], other=[pod.port])
    wait.until(lambda: forward.refuses("web"), what="the Service to refuse", timeout=10)
    assert forward.who("other") == "a"


def test_a_pod_that_is_ready_and_refuses_is_told_as_a_reset(forward, backend):
    pod = backend(name_and_echo("a"))
    pod.close()
    forward.lead(web=[pod.port])
    with forward.connect("web") as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_a_route_without_pods_says_so(forward, backend):
    gone = backend(name_and_echo("a"))
    gone.close()
    unavailable = (503, forwarder.BODY.decode())
    for pods in ([], [gone.port]):
        forward.lead(chat=pods, is_http=True)
        assert forward.get("chat") == unavailable
        assert forward.get("chat", "POST", b"x" * 3_000_000) == unavailable


def test_an_answer_that_breaks_off_breaks_off_for_the_client(forward, backend):
    """An answer without a length ends with its connection: an orderly end would make it look complete."""

    def serve(connection):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhalf of")
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    forward.lead(chat=[backend(serve).port], is_http=True)
    with forward.connect("chat") as connection:
        while not connection.recv(100).endswith(b"half of"):
            pass
        connection.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_who_goes_away_is_gone_for_the_pod_too(forward, backend):
    ended = threading.Event()

    def serve(connection):
        read_all(connection)
        ended.set()

    forward.lead(web=[backend(serve).port])
    forward.connect("web").close()
    assert ended.wait(10)


def test_many_connections_at_once(forward, backend):
    forward.lead(web=[backend(name_and_echo("a")).port])
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(forward.connect("web")) for _ in range(300)]
        for number, connection in enumerate(connections):
            connection.sendall(b"%d\n" % number)
        assert [(read_line(one), read_line(one)) for one in connections] == [("a", str(n)) for n in range(300)]


def test_a_port_that_somebody_else_has_is_taken_when_it_is_free(forward, backend):
    stranger = backend(name_and_echo("stranger"), forward.ports.of("web"))
    pod = backend(name_and_echo("a"))
    forward.lead(web=[pod.port], other=[pod.port])
    assert (forward.who("web"), forward.who("other")) == ("stranger", "a")
    assert f"{stranger.port}: Address already in use" in forward.log.read_text()
    stranger.close()
    wait.until(lambda: forward.who("web") == "a", what="the port", timeout=10, transient=GONE)
    assert len(forward.log.read_text().splitlines()) <= 4


def test_a_signal_that_comes_too_early_does_no_harm(forward, backend):
    forward.start()

    def reads_the_table():
        forward.process.send_signal(signal.SIGHUP)
        return "0 ports" in forward.log.read_text()

    wait.until(reads_the_table, what="the forwarder", timeout=10, every=0.001)
    forward.lead(web=[backend(name_and_echo("a")).port])
    assert forward.who("web") == "a"


def test_it_starts_before_there_is_a_table(forward, backend):
    forward.start()
    wait.until(lambda: "0 ports" in forward.log.read_text(), what="the forwarder", timeout=10)
    forward.lead(web=[backend(name_and_echo("a")).port])
    assert forward.who("web") == "a"


class Known:
    """Finds two Services."""

    def get(self, kind, namespace, name):
        return {} if kind is SERVICE and (namespace, name) in {("o1", "db"), ("o1", "web"), ("o2", "web")} else None


class Told:
    """Gives ports that tell whose they are."""

    def of(self, *name):
        return f"<{'/'.join(name[1:])}>"


def shown(text):
    """Return a text with addresses by name: what follows `@@` is the Service's namespace, name and port."""
    return Names(Known(), Told()).resolve(text, "o1").replace(f"{LOOPBACK}:<", "@@<")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("db:5432", "@@<o1/db/5432>"),
        ("postgresql://u:p@db:5432/db?sslmode=no", "postgresql://u:p@@@<o1/db/5432>/db?sslmode=no"),
        ("postgresql://web:80@db:5432/web:80", "postgresql://web:80@@@<o1/db/5432>/web:80"),
        ("postgresql://u:x/y@db:5432/d", "postgresql://u:x/y@@@<o1/db/5432>/d"),
        ("//web:web:80@db:5432", "//web:web:80@@@<o1/db/5432>"),
        ("http://web:8080/v1", "http://@@<o1/web/8080>/v1"),
        ("http://web", "http://@@<o1/web/80>"),
        ("https://user:pw@web/v1?a=b", "https://user:pw@@@<o1/web/443>/v1?a=b"),
        ("http://web.o2/v1", "http://@@<o2/web/80>/v1"),
        ("http://web.o2.svc:8080", "http://@@<o2/web/8080>"),
        ("http://web.o2.svc.cluster.local/", "http://@@<o2/web/80>/"),
        ("http://web.o2.svc.cluster.local.:8080/", "http://@@<o2/web/8080>/"),
        ("later.o3.svc:1", "@@<o3/later/1>"),
        ("https://kubernetes.default.svc/oauth", "https://@@<>/oauth"),
        ("kubernetes.default.svc:444", "@@<default/kubernetes/444>"),
        ("web:80,web.o2:81", "@@<o1/web/80>,@@<o2/web/81>"),
        ('{"url": "http://web:8080", "n": 1}', '{"url": "http://@@<o1/web/8080>", "n": 1}'),
        ("http://web:80/?to=http://db:1", "http://@@<o1/web/80>/?to=http://@@<o1/db/1>"),
        ("HOST=web:80", "HOST=@@<o1/web/80>"),
        ("http://front-o1.apps.localhost/api/x", "http://@@<o1/front>/api/x"),
        ("http://my-front-o1.apps.localhost", "http://@@<o1/my-front>"),
        ("http://front-o2.apps.localhost/", "http://front-o2.apps.localhost/"),
    ],
)
def test_names_of_services_become_loopback_addresses(text, wanted):
    assert shown(text) == wanted
    resolved = Names(Known(), Told()).resolve(text, "o1")
    assert Names(Known(), Told()).resolve(resolved, "o1") == resolved


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web",
        "a web without a port",
        "quay.io/web:16",
        "docker.io/o1/web:16@sha256:0123",
        "http://example.com/web:80",
        "http://web.com/v1",
        "http://web.example.com:80",
        "my-web:80",
        "web-2:80",
        "a.web:80",
        "_web:80",
        "web:80-1",
        "web:808080",
        "web::80",
        "web:http",
        "WEB:80",
        "nobody:80",
        "web.o3:80",
        "http://nobody",
        "localhost:80",
        "127.0.0.1:80",
        "web.o2.svc.cluster:80",
        "web.o2.svc.example.org:80",
        "//web:80@elsewhere:5432/d",
        "12:30:15",
        "sk-web:x",
    ],
)
def test_everything_else_stays_as_it_is(text):
    assert Names(Known(), Told()).resolve(text, "o1") == text


def test_random_texts_lose_nothing_but_the_names():
    chance = random.Random(3)
    parts = [
        "web",
        "db",
        "o2",
        "svc",
        "svc.",
        "cluster.local",
        "http://",
        "https://",
        "//",
        "80",
        "5432",
        "n",
        "\u00e9",
    ]
    parts += [*":@/.,?=-{} %\n"]
    for _ in range(20_000):
        text = "".join(chance.choice(parts) for _ in range(chance.randrange(1, 12)))
        resolved = Names(Known(), Told()).resolve(text, "o1")
        if resolved != text:
            assert LOOPBACK in resolved
            assert any(name in text for name in ("web", "db", ".svc"))
        assert Names(Known(), Told()).resolve(resolved, "o1") == resolved, text
        for address in (f"{LOOPBACK}:8080", "example.org:80"):
            assert Names(Known(), Told()).resolve(f"{text} {address}", "o1") == f"{resolved} {address}"


def test_a_long_text_is_no_hard_work():
    chance = random.Random(4)
    for alphabet in (string.ascii_lowercase, "a.", "a-", "web:8", "http://a@", "a:@"):
        text = "".join(chance.choice(alphabet) for _ in range(10_000))
        began = time.perf_counter()
        Names(Known(), Told()).resolve(text, "o1")
        assert time.perf_counter() - began < 1, alphabet


class Network:
    """A store with all controllers and the forwarder's table; the test is the kubelet."""

    def __init__(self, schemas, folder, reach=False):
        self.objects = Objects(Store(folder / "state.db"), Rules(schemas))
        self.client = Client(self.objects, "test")
        self.ports, self.file, self.signals = Ports(folder / "ports.json"), folder / "network.json", 0
        names = Names(self.client, self.ports)
        proxy = Endpoints(Client(self.objects, "proxy"), self.ports, self.file, self._changed)
        self.works = [
            controllers.start(
                self.objects, hosts=names.host, addresses=names.address, reach=names.pod if reach else None
            ),
            Work(self.objects.store, [proxy]),
        ]
        if self.client.get(NAMESPACE, "", "o1") is None:
            self.client.create(NAMESPACE, {"metadata": {"name": "o1"}})

    def _changed(self):
        self.signals += 1

    def settle(self):
        while sum(work.run_until_idle() for work in self.works):
            pass

    def close(self):
        self.objects.store.close()

    def create(self, kind, name, spec, **metadata):
        return self.client.create(kind, {"metadata": {"name": name, "namespace": "o1", **metadata}, "spec": spec})

    def service(self, name="web", ports=({"port": 80, "targetPort": 8080},), **spec):
        self.create(SERVICE, name, {"selector": {"app": "web"}, "ports": list(ports), **spec})
        self.settle()

    def pod(self, name, *, ready=True, labels=None, **container):
        spec = {"nodeName": "local", "containers": [{"name": "c", "image": "i:1", **container}]}
        self.create(POD, name, spec, labels=labels or {"app": "web"})
        self.tell(name, ready=ready)

    def tell(self, name, *, ready, **status):
        """Say how a pod is, as a kubelet does."""
        conditions = [{"type": "Ready", "status": str(ready)}]
        told = {"phase": "Running", "podIP": LOOPBACK, "podIPs": [{"ip": LOOPBACK}], "conditions": conditions}
        self.client.update_status(POD, self.get(POD, name), {**told, **status})
        self.settle()

    def get(self, kind, name):
        return self.client.get(kind, "o1", name)

    def change(self, kind, name, **spec):
        obj = self.get(kind, name)
        self.client.update(kind, {**obj, "spec": {**obj["spec"], **spec}})
        self.settle()

    def slices(self, name="web"):
        found = self.client.list(ENDPOINT_SLICE, "o1")
        return [one for one in found if one["metadata"]["labels"]["kubernetes.io/service-name"] == name]

    def conditions(self):
        """Return the conditions of the endpoints of the only slice, by the pods' names."""
        (only,) = self.slices()
        return {one["targetRef"]["name"]: one["conditions"] for one in only["endpoints"] or ()}

    def table(self):
        return json.loads(self.file.read_text())

    def to(self, *name):
        """Return the names of the pods, and the ports, to which a port leads; None where it leads nowhere."""
        entry = self.table().get(str(self.ports.of(*name)))
        owners = {
            self.ports.of("pod", pod["metadata"]["uid"], port): f"{pod['metadata']['name']}:{port}"
            for pod in self.client.list(POD, "o1")
            for port in ("8080", "9090")
        }
        return entry and sorted(owners[port] for port in entry["to"])


@pytest.fixture
def network(schemas, tmp_path):
    made = Network(schemas, tmp_path)
    yield made
    made.close()


READY = {"ready": True, "serving": True, "terminating": False}
UNREADY = {"ready": False, "serving": False, "terminating": False}


def test_a_slice_is_what_the_real_controller_writes(network):
    network.service()
    (empty,) = network.slices()
    assert (empty["endpoints"], empty["ports"], empty["metadata"]["generation"]) == (None, None, 1)
    assert "annotations" not in empty["metadata"]
    network.pod("a")
    (one,) = network.slices()
    metadata, service, pod = one["metadata"], network.get(SERVICE, "web"), network.get(POD, "a")
    assert metadata["generateName"] == "web-"
    assert metadata["name"].startswith("web-")
    assert (metadata["name"], metadata["generation"]) == (empty["metadata"]["name"], 2)
    assert metadata["labels"] == {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
    }
    assert set(metadata["annotations"]) == {"endpoints.kubernetes.io/last-change-trigger-time"}
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "name": "web",
            "uid": service["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert one["addressType"] == "IPv4"
    assert one["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
    reference = {"kind": "Pod", "namespace": "o1", "name": "a", "uid": pod["metadata"]["uid"]}
    assert one["endpoints"] == [
        {"addresses": [LOOPBACK], "conditions": READY, "targetRef": reference, "nodeName": "local"}
    ]
    fields = metadata["managedFields"][0]
    assert (fields["manager"], fields["operation"]) == ("kube-controller-manager", "Update")
    assert {"f:addressType", "f:endpoints", "f:metadata", "f:ports"} == set(fields["fieldsV1"])


def test_a_slice_tells_where_its_pods_are_reached_from_outside(schemas, tmp_path):
    network = Network(schemas, tmp_path, reach=True)
    network.service()
    for name in "ab":
        network.pod(name)
    (one,) = network.slices()
    pods = [network.ports.of("pod", endpoint["targetRef"]["uid"], "8080") for endpoint in one["endpoints"]]
    told = json.loads(one["metadata"]["annotations"]["maas-lab/reachable-at"])
    assert told == {"": [f"{LOOPBACK}:{port}" for port in pods]}
    assert len(set(pods)) == 2
    network.tell("a", ready=False)
    network.tell("b", ready=False)
    (one,) = network.slices()
    assert json.loads(one["metadata"]["annotations"]["maas-lab/reachable-at"]) == told
    network.close()


def test_only_ready_pods_answer(network):
    network.service()
    network.pod("a")
    network.pod("b", ready=False)
    network.pod("c", labels={"app": "other"})
    assert network.conditions() == {"a": READY, "b": UNREADY}
    assert network.to("service", "o1", "web", "80") == ["a:8080"]
    network.tell("b", ready=True)
    assert network.to("service", "o1", "web", "80") == ["a:8080", "b:8080"]
    network.client.delete(POD, network.get(POD, "a"))
    network.settle()
    assert network.conditions() == {"a": {**READY, "ready": False, "terminating": True}, "b": READY}
    assert network.to("service", "o1", "web", "80") == ["b:8080"]
    network.tell("b", ready=False, phase="Failed")
    assert list(network.conditions()) == ["a"]


def test_a_pod_without_an_address_is_nobody_yet(network):
    network.service()
    network.create(POD, "a", {"containers": [{"name": "c", "image": "i:1"}]}, labels={"app": "web"})
    network.settle()
    assert network.conditions() == {}
    network.tell("a", ready=False)
    assert network.conditions() == {"a": UNREADY}


def test_a_service_may_want_pods_that_are_not_ready(network):
    network.service(publishNotReadyAddresses=True)
    network.pod("a", ready=False)
    assert network.conditions() == {"a": {**UNREADY, "ready": True}}
    assert network.to("service", "o1", "web", "80") == ["a:8080"]


def test_a_pod_that_is_gone_is_forgotten_before_its_slice_is_written(network, tmp_path):
    network.service()
    network.pod("a")
    pod = network.get(POD, "a")
    network.ports.release("pod", pod["metadata"]["uid"])
    network.objects.store.remove(POD, pod)
    network.create(ROUTE, "chat", {"to": {"kind": "Service", "name": "web"}})
    network.works[1].run_until_idle()  # the proxy has its turn before the slices' controller
    assert pod["metadata"]["uid"] not in (tmp_path / "ports.json").read_text()


def test_pods_come_and_go_with_labels_and_selectors(network):
    network.service()
    network.pod("a")
    pod = network.get(POD, "a")
    network.client.update(POD, {**pod, "metadata": {**pod["metadata"], "labels": {"app": "other"}}})
    network.settle()
    (empty,) = network.slices()
    assert (empty["endpoints"], empty["metadata"]["generation"]) == (None, 3)
    network.change(SERVICE, "web", selector={"app": "other"})
    assert network.conditions() == {"a": READY}


def test_ports_by_name_may_differ_between_pods(network):
    network.service(
        ports=[{"name": "http", "port": 80, "targetPort": "web"}, {"name": "more", "port": 81, "targetPort": "x"}]
    )
    network.pod("a", ports=[{"name": "web", "containerPort": 8080}])
    network.pod("b", ports=[{"name": "web", "containerPort": 9090}, {"name": "x", "containerPort": 8080}])
    network.pod("c", ports=[{"name": "web", "containerPort": 8080, "protocol": "UDP"}])
    assert sorted(str([port["port"] for port in one["ports"] or ()]) for one in network.slices()) == [
        "[8080]",
        "[9090, 8080]",
        "[]",
    ]
    assert network.to("service", "o1", "web", "80") == ["a:8080", "b:9090"]
    assert network.to("service", "o1", "web", "81") == ["b:8080"]
    for name in "abc":
        network.tell(name, ready=False, phase="Succeeded")
    assert [one["endpoints"] for one in network.slices()] == [None]


def test_the_name_of_a_headless_service_leads_to_the_pods_own_ports(network):
    network.service(clusterIP="None", ports=[{"port": 80, "targetPort": "web"}])
    network.pod("a", ports=[{"name": "web", "containerPort": 8080}], ready=False)
    assert network.slices()[0]["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert network.to("service", "o1", "web", "8080") == []
    assert network.to("service", "o1", "web", "80") is None
    network.tell("a", ready=True)
    assert network.to("service", "o1", "web", "8080") == ["a:8080"]


def test_a_pod_of_a_stateful_set_is_told_by_its_host_name(network):
    network.service(clusterIP="None")
    spec = {"hostname": "db-0", "subdomain": "web", "containers": [{"name": "c", "image": "i:1"}]}
    network.create(POD, "db-0", spec, labels={"app": "web"})
    network.tell("db-0", ready=True)
    (endpoint,) = network.slices()[0]["endpoints"]
    assert endpoint["hostname"] == "db-0"
    assert "nodeName" not in endpoint


@pytest.mark.parametrize("spec", [{"type": "ExternalName", "externalName": "example.org"}, {"selector": None}])
def test_some_services_have_no_slices(network, spec):
    network.service(**spec)
    network.pod("a")
    assert network.slices() == []


def test_a_slice_that_somebody_broke_is_mended(network):
    network.service()
    network.pod("a")
    (one,) = network.slices()
    network.client.update(ENDPOINT_SLICE, {**one, "endpoints": []})
    network.settle()
    assert network.conditions() == {"a": READY}
    network.client.delete(ENDPOINT_SLICE, network.slices()[0])
    network.settle()
    assert network.conditions() == {"a": READY}


def test_nothing_is_written_when_nothing_changes(network, schemas, tmp_path):
    network.service()
    network.create(ROUTE, "chat", {"to": {"kind": "Service", "name": "web"}})
    network.pod("a")
    network.pod("c", labels={"app": "other"})
    version, signals = network.objects.store.version, network.signals
    written = network.file.stat().st_mtime_ns
    network.tell("c", ready=False)
    network.tell("a", ready=True, startTime="2026-01-01T00:00:00Z")
    assert (network.objects.store.version, network.signals) == (version + 2, signals)
    assert network.file.stat().st_mtime_ns == written
    table = network.table()
    network.close()
    again = Network(schemas, tmp_path)
    again.settle()
    assert (again.objects.store.version, again.signals, again.table()) == (version + 2, 0, table)
    again.close()


def route(network, name="chat", **spec):
    network.create(ROUTE, name, {"to": {"kind": "Service", "name": "web"}, **spec})
    network.settle()
    return network.get(ROUTE, name)


def test_a_route_has_a_host_that_can_be_called(network):
    made = route(network, port={"targetPort": "http"})
    port = network.ports.of("route", "o1", "chat")
    assert made["spec"]["host"] == made["status"]["ingress"][0]["host"] == f"{LOOPBACK}:{port}"
    assert made["metadata"]["annotations"] == {"openshift.io/host.generated": "true"}
    assert network.table() == {str(port): {"to": [], "http": True}}
    network.service(
        ports=[{"name": "more", "port": 81, "targetPort": 9090}, {"name": "http", "port": 80, "targetPort": 8080}]
    )
    network.pod("a")
    assert network.to("route", "o1", "chat") == ["a:8080"]
    network.change(ROUTE, "chat", port={"targetPort": 9090})
    assert network.to("route", "o1", "chat") == ["a:9090"]
    network.change(ROUTE, "chat", port=None)
    assert network.to("route", "o1", "chat") == ["a:9090"]
    network.change(ROUTE, "chat", port={"targetPort": "nope"})
    assert network.to("route", "o1", "chat") == []
    network.client.delete(SERVICE, network.get(SERVICE, "web"))
    network.settle()
    assert network.to("route", "o1", "chat") == []
    network.client.delete(ROUTE, network.get(ROUTE, "chat"))
    network.settle()
    assert network.to("route", "o1", "chat") is None


def test_a_route_that_is_not_admitted_leads_nowhere(network):
    for name in ("first", "second"):
        route(network, name, host="chat.example.org")
    assert network.to("route", "o1", "first") == []
    assert network.to("route", "o1", "second") is None


def test_a_route_follows_its_port(network, schemas, tmp_path):
    """The port may be somebody else's after a restart; a host that was given by hand stays."""
    route(network)
    route(network, "own", host="127.0.0.1:1")
    network.ports.release("route")
    with contextlib.closing(socket.create_server((LOOPBACK, 0))) as stranger:
        assert network.ports.of("route", "o1", "chat") != stranger.getsockname()[1]
    network.close()
    again = Network(schemas, tmp_path)
    again.settle()
    made = again.get(ROUTE, "chat")
    host = f"{LOOPBACK}:{again.ports.of('route', 'o1', 'chat')}"
    assert made["spec"]["host"] == made["status"]["ingress"][0]["host"] == host
    assert again.get(ROUTE, "own")["spec"]["host"] == "127.0.0.1:1"
    again.close()


def test_a_service_that_is_made_anew_has_its_address_again(network):
    network.service()
    network.pod("a")
    port = network.ports.of("service", "o1", "web", "80")
    network.client.delete(SERVICE, network.get(SERVICE, "web"))
    network.settle()
    assert str(port) not in network.table()
    network.service()
    assert network.to("service", "o1", "web", "80") == ["a:8080"]
    assert network.ports.of("service", "o1", "web", "80") == port


def test_ports_are_free_again_when_their_namespace_is_gone(network, tmp_path):
    network.service()
    route(network)
    network.client.delete(ROUTE, network.get(ROUTE, "chat"))
    network.client.delete(SERVICE, network.get(SERVICE, "web"))
    network.objects.store.remove(NAMESPACE, network.client.get(NAMESPACE, "", "o1"))
    network.settle()
    known = json.loads((tmp_path / "ports.json").read_text())
    assert [name for name in known if name.startswith(("service/o1", "route/o1"))] == []


def test_an_inference_service_tells_an_address_that_answers_here(network):
    runtime = {"containers": [{"name": "kserve-container", "image": "serve:1"}]}
    network.create(SERVING_RUNTIME, "vllm", runtime)
    network.create(
        INFERENCE_SERVICE, "granite", {"predictor": {"model": {"modelFormat": {"name": "vLLM"}, "runtime": "vllm"}}}
    )
    network.settle()
    port = network.ports.of("service", "o1", "granite-predictor", "8080")
    told = network.get(INFERENCE_SERVICE, "granite")["status"]
    assert (
        told["url"] == told["address"]["url"] == told["components"]["predictor"]["url"] == f"http://{LOOPBACK}:{port}"
    )
    network.pod("p", labels={"app": "isvc.granite-predictor"})
    assert network.to("service", "o1", "granite-predictor", "8080") == ["p:8080"]


def test_what_is_forwarded_never_waits_for_more():
    """Nagle's algorithm holds back a second small write until the first is acknowledged, and that takes 40 ms."""
    with contextlib.closing(forwarder._bound(0)) as server:
        server.listen()
        with socket.create_connection(server.getsockname()), contextlib.closing(server.accept()[0]) as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
