"""The kubelet with real controllers and real processes: a small web server as the program of every image."""

import asyncio
import os
import sys
import threading

import httpx
import psutil
import pytest

from maas_lab import wait
from maas_lab.local import processes
from maas_lab.local.images import Catalogue, Image, Program
from maas_lab.local.kube import deletion
from maas_lab.local.kube.collector import Collector
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers.client import EVENT, POD, Client
from maas_lab.local.kube.controllers.common import is_ready
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.store import Store
from maas_lab.local.kubelet import Kubelet
from maas_lab.local.network.ports import Ports

NAMESPACE = "o1"
SERVER = """
import http.server, json, os, signal, sys
folder = sys.argv[2]
if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if os.environ.get("CHILD"):
    import subprocess
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("hello from", sys.argv[3], flush=True)
if os.environ.get("CRASH"):
    sys.exit(int(os.environ["CRASH"]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if os.path.exists(folder + "/hang" + self.path.replace("/", "-")):
            import time; time.sleep(600)
        sick = os.path.exists(folder + "/sick" + self.path.replace("/", "-"))
        self.send_response(503 if sick else 200); self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Live:
    """A store, all controllers and a kubelet on an event loop of their own, in a thread."""

    def __init__(self, home, schemas, images):
        self.home, self.images = home, images
        self._schemas = schemas
        self.ahead_s = 0
        self._begun, self._failed = threading.Event(), None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._begun.wait(30)
        if self._failed:
            raise self._failed

    async def _main(self):
        try:
            self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
            self.store = Store(self.home / "cluster.db")
            self.objects = Objects(self.store, Rules(self._schemas))
            self.client = Client(self.objects, "test")
            self.ports = Ports(self.home / "ports.json", self._ports_in_use())
            self.kubelet = Kubelet(self.objects, Catalogue(self.images), self.ports, SameNames(), self.home)
            self.kubelet.begin()
            self.stored = [(pod["metadata"]["name"], is_ready(pod)) for pod in self.client.list(POD)]
            work = controllers.start(self.objects)
            tasks = [asyncio.create_task(one.run()) for one in (self.kubelet, work, Collector(self.objects))]
            if not self.client.get(of("v1", "Namespace"), "", NAMESPACE):
                self.client.create(of("v1", "Namespace"), {"metadata": {"name": NAMESPACE}})
        except Exception as error:
            self._failed = error
            raise
        finally:
            self._begun.set()
        await self._over.wait()
        for task in tasks:
            task.cancel()
        self.store.close()

    def _ports_in_use(self):
        return [
            connection.laddr.port
            for process in processes.Leftovers(self.home).processes
            for connection in process.net_connections("tcp")
        ]

    def do(self, call, *arguments, **named):
        """Call something on the loop's thread."""

        async def on_loop():
            result = call(*arguments, **named)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(60)

    def down(self):
        self.do(self.kubelet.stop)
        self.crash()

    def crash(self):
        """End the daemon without a word to its processes."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._over.set)
            self._thread.join(10)

    def create(self, kind, name, spec=None, **more):
        metadata = {"name": name, "namespace": NAMESPACE}
        return self.do(self.client.create, kind, {"metadata": metadata, **({"spec": spec} if spec else {}), **more})

    def get(self, kind, name):
        return self.do(self.client.get, kind, NAMESPACE, name)

    def pods(self):
        return self.do(self.client.list, POD, NAMESPACE)

    def delete(self, kind, name, grace_s=None):
        target = Target(kind, "" if kind.kind == "Namespace" else NAMESPACE, name)
        self.do(deletion.delete, self.objects, target, deletion.DeleteOptions(grace_s=grace_s))

    def told(self, reason, name=""):
        """Return the messages of the events of a reason."""
        found = [one for one in self.do(self.client.list, EVENT, NAMESPACE) if one["reason"] == reason]
        found = [one for one in found if one["involvedObject"]["name"].startswith(name)]
        return [one["message"] for one in sorted(found, key=lambda one: int(one["metadata"]["resourceVersion"]))]

    def until(self, check, what="", timeout=20):
        return wait.until(check, what=what or "the cluster", timeout=timeout, every=0.02)

    def container(self, name):
        """Return the status of a pod's first container, empty before there is one."""
        pod = self.get(POD, name) or {}
        return ((pod.get("status") or {}).get("containerStatuses") or [{}])[0]

    def until_ready(self, name="web"):
        return self.until(lambda: (pod := self.get(POD, name)) and is_ready(pod) and pod, f"{name} to be ready")

    def until_waiting(self, name, reason):
        def check():
            waiting = (self.container(name).get("state") or {}).get("waiting") or {}
            return waiting.get("reason") == reason and waiting

        return self.until(check, f"{name} to wait for {reason}")

    def url(self, name="web", port=8080):
        uid = self.get(POD, name)["metadata"]["uid"]
        return f"http://127.0.0.1:{self.do(self.ports.of, 'pod', uid, str(port))}"

    def lines(self, name, container="web", **query):
        """Return all that the API's log of a container answers."""

        async def collect():
            found = b""
            async for chunk in self.kubelet.logs(self.client.get(POD, NAMESPACE, name), container, query):
                found += chunk
            return found.decode()

        return self.do(collect)


class SameNames:
    """Stands where the network's names stand: no Service has a name here."""

    def resolve(self, text, namespace):
        return text


def pid(status):
    return int(status["containerID"].removeprefix("process://"))


def web_image(reference="web:1", **changes):
    def program(container):
        argv = (sys.executable, "-c", SERVER, str(container.ports[8080]), str(container.folder), reference)
        return Program(argv, {"PATH": os.environ["PATH"], **container.env}, container.folder, **changes)

    return Image(reference, (8080,), program)


def web(image="web:1", **more):
    return {"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}], **more}


def http_get(path="/", **more):
    return {"httpGet": {"path": path, "port": "http"}, **more}


def pod_spec(*containers, **more):
    return {"containers": list(containers) or [web(readinessProbe=http_get())], **more}


def deployment(image="web:1"):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec(web(image, readinessProbe=http_get()))}
    return {"selector": {"matchLabels": {"app": "web"}}, "template": template}


@pytest.fixture
def start(tmp_path, schemas):
    """Start a cluster in a home; end whatever a test leaves running."""
    started = []
    home = tmp_path / "home"
    home.mkdir()

    def make(*images):
        started.append(Live(home, schemas, images or (web_image("web:1"), web_image("web:2"))))
        return started[-1]

    yield make
    for one in started:
        one.crash()
    for one in processes.leftovers(home):
        one.process.kill()


@pytest.fixture
def live(start):
    """A running cluster."""
    return start()


def test_a_pod_runs_is_ready_by_its_probe_and_ends(live):
    live.create(POD, "web", pod_spec())
    pod = live.until_ready()
    status = live.container("web")
    assert (pod["status"]["phase"], status["restartCount"], status["started"]) == ("Running", 0, True)
    process = psutil.Process(pid(status))
    assert httpx.get(live.url()).status_code == 200
    assert live.told("Started") == ["Started container web"]
    live.delete(POD, "web")
    live.until(lambda: live.get(POD, "web") is None, "the pod to go")
    assert not process.is_running()
    assert list((live.home / "pods").iterdir()) == []
