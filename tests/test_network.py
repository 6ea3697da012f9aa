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

import pytest

from maas_lab import wait
from maas_lab.local.home import write_private
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers.client import (
    ENDPOINT_SLICE,
    INFERENCE_SERVICE,
    NAMESPACE,
    NODE,
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
        argv = [sys.executable, "-I", forwarder.__file__, str(self.table)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)

    def answers(self, name):
        with contextlib.suppress(ConnectionRefusedError), self.connect(name):
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
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


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
        ("web:80,web.o2:81", "@@<o1/web/80>,@@<o2/web/81>"),
        ('{"url": "http://web:8080", "n": 1}', '{"url": "http://@@<o1/web/8080>", "n": 1}'),
        ("http://web:80/?to=http://db:1", "http://@@<o1/web/80>/?to=http://@@<o1/db/1>"),
        ("HOST=web:80", "HOST=@@<o1/web/80>"),
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
        *"web db o2 svc cluster.local http:// https:// // : @ / . , ? = 80 5432 - é \n {} %".split(),
        " ",
        "\n",
        "svc.",
    ]
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
        text = "".join(chance.choice(alphabet) for _ in range(30_000))
        began = time.perf_counter()
        Names(Known(), Told()).resolve(text, "o1")
        assert time.perf_counter() - began < 1, alphabet
