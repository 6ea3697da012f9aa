"""The kubelet with real controllers and real processes: a small web server as the program of every image."""

import asyncio
import base64
import dataclasses
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from maas_lab import wait
from maas_lab.errors import EnvironmentFault
from maas_lab.local import processes
from maas_lab.local.images import Catalogue, Image, Program, Runs
from maas_lab.local.kube import deletion, schema
from maas_lab.local.kube.collector import Collector
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers.client import (
    CLAIM,
    DEPLOYMENT,
    EVENT,
    JOB,
    NODE,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Client,
)
from maas_lab.local.kube.controllers.common import condition, is_ready
from maas_lab.local.kube.controllers.work import utc
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import Store
from maas_lab.local.kubelet import Kubelet, volumes
from maas_lab.local.kubelet.lookup import Missing
from maas_lab.local.kubelet.metrics import Window
from maas_lab.local.network.ports import Ports

CONFIG_MAP, NAMESPACES, SECRET = (of("v1", kind) for kind in ("ConfigMap", "Namespace", "Secret"))
ROOT = Path(__file__).parents[1]
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
            self.kubelet = Kubelet(self.objects, Catalogue(self.images), self.ports, OneName(), self.home, self.clock)
            left = processes.Leftovers(self.home)
            self.kubelet.begin(left)
            left.end_rest()
            self.stored = [(pod["metadata"]["name"], is_ready(pod)) for pod in self.client.list(POD)]
            work = controllers.start(self.objects, self.clock)
            tasks = [asyncio.create_task(one.run()) for one in (self.kubelet, work, Collector(self.objects))]
            if not self.client.get(NAMESPACES, "", NAMESPACE):
                self.client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        except Exception as error:
            self._failed = error
            raise
        finally:
            self._begun.set()
        await self._over.wait()
        for task in tasks:
            task.cancel()
        self.store.close()

    def clock(self):
        return utc() + datetime.timedelta(seconds=self.ahead_s)

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


class OneName:
    """Knows the address of one Service."""

    def resolve(self, text, namespace):
        return text.replace(f"db.{namespace}.svc:5432", "127.0.0.1:15432")


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
def home(tmp_path):
    """The lab's home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def start(home, schemas):
    """Start a cluster in the home; end whatever a test leaves running."""
    started = []

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
    assert processes.how_it_ended(process)
    assert list((live.home / "pods").iterdir()) == []


def test_what_a_pod_uses_is_measured_with_its_children(live):
    live.create(POD, "web", pod_spec(web(env=[{"name": "CHILD", "value": "1"}], readinessProbe=http_get())))
    live.create(POD, "waits", pod_spec(web("nowhere:1")))
    live.until_ready()
    process = psutil.Process(pid(live.container("web")))
    (child,) = live.until(process.children, "its child")
    (told,) = live.do(live.kubelet.usage, live.pods())  # nothing of the pod that waits
    (used,) = told["containers"]
    assert (told["kind"], told["metadata"]["name"], used["name"]) == ("PodMetrics", "web", "web")
    largest, together = process.memory_info().rss, process.memory_info().rss + child.memory_info().rss
    assert largest < int(used["usage"]["memory"].removesuffix("Ki")) * 1024 < together  # shared pages count once
    assert 0 < int(used["usage"]["cpu"].removesuffix("n")) < 4e9
    again, later = (live.do(live.kubelet.usage, live.pods())[0] for _ in range(2))
    assert again["window"] == later["window"]  # a mean over less than a second is not told
    live.delete(POD, "web")
    live.until(lambda: live.get(POD, "web") is None, "the pod to go")
    assert live.do(live.kubelet.usage, live.pods()) == []


def test_a_window_begins_where_the_one_before_ended():
    first = Window.moved(None, created=100.0, cpu_s=1.0, now=110.0)
    assert (first.length_s, first.cores) == (10.0, 0.1)
    second = Window.moved(first, created=100.0, cpu_s=5.0, now=112.0)
    assert (second.length_s, second.cores) == (2.0, 2.0)
    assert Window.moved(second, created=100.0, cpu_s=9.0, now=112.5) is second
    assert Window.moved(second, created=111.0, cpu_s=0.5, now=113.0).cores == 0.25  # another process of this number
    assert Window.moved(second, created=100.0, cpu_s=4.0, now=120.0).cores == 0.0  # a child is gone with its seconds


def test_a_killed_process_is_started_again_and_counted(live):
    live.create(POD, "web", pod_spec())
    live.until_ready()
    first = live.container("web")
    os.kill(pid(first), signal.SIGKILL)
    live.until(lambda: live.container("web")["restartCount"] == 1, "a restart")
    live.until_ready()
    status = live.container("web")
    assert pid(status) != pid(first)
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["containerID"]) == (137, "Error", first["containerID"])


def test_readiness_comes_and_goes_with_the_probe_and_restarts_nothing(live):
    probe = http_get("/ready", periodSeconds=1, failureThreshold=1)
    live.create(POD, "web", pod_spec(web(readinessProbe=probe)))
    uid = live.until_ready()["metadata"]["uid"]
    sick = live.home / "pods" / uid / "containers" / "web" / "sick-ready"
    sick.touch()
    pod = live.until(lambda: (one := live.get(POD, "web")) and not is_ready(one) and one, "the pod not to be ready")
    told = condition(pod["status"], "Ready")
    assert (told["reason"], told["message"]) == ("ContainersNotReady", "containers with unready status: [web]")
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in live.told("Unhealthy")
    sick.unlink()
    live.until_ready()
    assert live.container("web")["restartCount"] == 0


def test_a_process_that_hangs_is_restarted_by_its_liveness_probe(live):
    live.create(POD, "web", pod_spec(web(livenessProbe=http_get("/live", periodSeconds=1, failureThreshold=2))))
    uid = live.until_ready()["metadata"]["uid"]
    hang, url = live.home / "pods" / uid / "containers" / "web" / "hang-live", live.url()
    hang.touch()
    live.until(lambda: live.told("Killing"), "the probe to fail")
    hang.unlink()
    live.until(lambda: live.container("web")["restartCount"] == 1, "a restart")
    assert live.told("Killing") == ["Container web failed liveness probe, will be restarted"]
    timeout = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert f'Liveness probe failed: Get "{url}/live": {timeout}' in live.told("Unhealthy")


def test_a_startup_probe_holds_back_the_others_and_ends_what_never_starts(live):
    never = {"httpGet": {"path": "/", "port": 9999}, "periodSeconds": 1, "failureThreshold": 2}
    live.create(POD, "web", pod_spec(web(startupProbe=never, readinessProbe=http_get())))
    live.until(lambda: live.container("web").get("restartCount"), "a restart")
    assert live.told("Killing") == ["Container web failed startup probe, will be restarted"]
    refused = 'Startup probe failed: Get "http://127.0.0.1:9999/": dial tcp 127.0.0.1:9999: connect: connection refused'
    assert set(live.told("Unhealthy")) == {refused}
    assert not is_ready(live.get(POD, "web"))


def test_probes_of_other_kinds(start):
    def check(arguments):
        return "" if arguments == ["--live"] else f"asked with {arguments}"

    live = start(web_image("web:1", commands={"/bin/check": check}))
    tcp = web(name="tcp", readinessProbe={"tcpSocket": {"port": 8080}})
    command = {"exec": {"command": ["/bin/check", "--live"]}}
    shell = {"exec": {"command": ["sh", "-c", "touch /tmp/x"]}, "periodSeconds": 1}
    live.create(POD, "web", pod_spec(tcp))
    live.create(POD, "known", pod_spec(web(readinessProbe=command)))
    live.create(POD, "shell", pod_spec(web(readinessProbe=shell)))
    live.until_ready("web")
    live.until_ready("known")
    [told] = live.until(lambda: live.told("Unhealthy", "shell"), "the probe to fail")
    never = "commands are never executed on the local cluster; what this image offers: /bin/check"
    assert told == f"Readiness probe failed: {never}"
    assert not is_ready(live.get(POD, "shell"))


def test_a_foreign_server_never_counts(start):
    """The program listens elsewhere; somebody else answers on the port that is its own."""
    image = web_image()

    def elsewhere(container):
        server = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(container.ports[8080])]
        foreign.append(psutil.Popen(server, cwd=container.folder, stdout=-3, stderr=-3))
        program, own = image.program(container), str(container.ports[8080])
        return Program(tuple("0" if part == own else part for part in program.argv), program.env, program.cwd)

    foreign = []
    live = start(Image("web:1", (8080,), elsewhere))
    live.create(POD, "web", pod_spec(web(readinessProbe=http_get(periodSeconds=1))))
    try:
        live.until(lambda: any("another process" in one for one in live.told("Unhealthy")), "the foreign server")
        port = live.url().rpartition(":")[2]
        assert f"Readiness probe failed: port {port} is served by another process" in live.told("Unhealthy")
        assert not is_ready(live.get(POD, "web"))
        assert foreign[0].poll() is None
    finally:
        foreign[0].kill()
        foreign[0].wait()


def test_a_crash_loop_is_told_with_its_pauses_and_the_lines_of_the_instance_before(live):
    live.create(POD, "web", pod_spec(web(env=[{"name": "CRASH", "value": "3"}])))
    waiting = live.until_waiting("web", "CrashLoopBackOff")
    uid = live.get(POD, "web")["metadata"]["uid"]
    assert waiting["message"] == f"back-off 10s restarting failed container=web pod=web_o1({uid})"
    status = live.container("web")
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 3)
    assert live.told("BackOff") == [f"Back-off restarting failed container web in pod web_o1({uid})"]
    assert live.lines("web") == live.lines("web", previous="true") == "hello from web:1\n"
    assert live.get(POD, "web")["status"]["phase"] == "Running"
    live.ahead_s += 11
    pod = live.get(POD, "web")
    live.do(live.client.update, POD, {**pod, "metadata": {**pod["metadata"], "annotations": {"look": "again"}}})
    live.until(lambda: live.container("web")["restartCount"] == 2, "the end of the pause")
    assert live.until_waiting("web", "CrashLoopBackOff")["message"].startswith("back-off 20s restarting")
    uid_folder = live.home / "pods" / uid / "logs" / "web"
    assert {file.name for file in uid_folder.iterdir()} == {"1.log", "2.log"}


@pytest.mark.parametrize("part", [{"subPath": "a"}, {"subPathExpr": "$(JOB_COMPLETION_INDEX)"}])
def test_a_part_of_a_volume_is_mounted(tmp_path, part):
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", **part}]}
    found = volumes.mounts(container, {"v": tmp_path}, {"JOB_COMPLETION_INDEX": "a"})
    assert found == {"/v": tmp_path / "a"}


@pytest.mark.parametrize("index", ["..", "a/../..", "/etc"])
def test_no_variable_leads_out_of_a_volume(tmp_path, index):
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": "$(INDEX)"}]}
    with pytest.raises(Missing, match="failed to prepare subPath"):
        volumes.mounts(container, {"v": tmp_path}, {"INDEX": index})


@pytest.mark.parametrize(
    ("policy", "code", "phase", "reason"),
    [
        ("Never", "0", "Succeeded", "Completed"),
        ("Never", "3", "Failed", "Error"),
        ("OnFailure", "0", "Succeeded", "Completed"),
    ],
)
def test_a_pod_that_is_not_restarted_ends(live, policy, code, phase, reason):
    live.create(POD, "web", pod_spec(web(env=[{"name": "CRASH", "value": code}]), restartPolicy=policy))
    live.until(lambda: live.get(POD, "web")["status"].get("phase") == phase, f"the pod to have {phase}")
    status = live.container("web")
    assert (status["restartCount"], status["state"]["terminated"]["reason"]) == (0, reason)
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}[phase]
    assert condition(live.get(POD, "web")["status"], "Ready")["reason"] == ended


def test_the_pods_of_an_indexed_job_run_to_their_ends(live):
    """Each process ends with its index as exit code, so the first index succeeds and the second does not."""
    index = "metadata.labels['batch.kubernetes.io/job-completion-index']"
    env = [{"name": "CRASH", "valueFrom": {"fieldRef": {"fieldPath": index}}}]
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0}
    live.create(JOB, "grade", {**spec, "template": {"spec": pod_spec(web(env=env), restartPolicy="Never")}})
    live.until(lambda: condition(live.get(JOB, "grade")["status"], "Failed"), "the Job to be over")
    told = live.get(JOB, "grade")["status"]
    assert (told["completedIndexes"], told["failedIndexes"], told["succeeded"], told["failed"]) == ("0", "1", 1, 1)
    pods = {pod["metadata"]["generateName"]: pod["status"]["phase"] for pod in live.pods()}
    assert pods == {"grade-0-": "Succeeded", "grade-1-": "Failed"}
    live.delete(JOB, "grade")  # batch/v1 leaves its pods where nothing is said of them
    assert len(live.pods()) == 2


def test_an_unknown_image_is_told_as_a_kubelet_tells_it_and_can_be_mended(live):
    live.create(POD, "web", pod_spec(web("nowhere.example/web:9")))
    waiting = live.until_waiting("web", "ErrImagePull")
    assert "not found in the catalogue of the local cluster" in waiting["message"]
    with pytest.raises(ApiError) as refused:
        live.lines("web")
    assert str(refused.value) == 'container "web" in pod "web" is waiting to start: image can\'t be pulled'
    later = live.until_waiting("web", "ImagePullBackOff")
    back_off = 'Back-off pulling image "nowhere.example/web:9"'
    assert later["message"] == f"{back_off}: ErrImagePull: {waiting['message']}"
    assert live.told("BackOff") == [back_off]
    assert live.told("Failed")[1:] == ["Error: ErrImagePull", "Error: ImagePullBackOff"]
    with pytest.raises(ApiError) as refused:
        live.lines("web")
    waits = 'container "web" in pod "web" is waiting to start: trying and failing to pull image'
    assert (refused.value.code, str(refused.value)) == (400, waits)
    pod = live.get(POD, "web")
    assert pod["status"]["phase"] == "Pending"
    mended = {**pod, "spec": {**pod["spec"], "containers": [{**pod["spec"]["containers"][0], "image": "web:1"}]}}
    live.do(live.client.update, POD, mended)
    live.until_ready()


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [("web:9", "Never", "ErrImageNeverPull"), ("Web Server", "IfNotPresent", "InvalidImageName")],
)
def test_images_that_are_never_pulled(live, image, policy, reason):
    live.create(POD, "web", pod_spec(web(image, imagePullPolicy=policy)))
    live.until_waiting("web", reason)
    assert f"Error: {reason}" in live.told("Failed")


def test_an_image_that_must_be_downloaded_first(start):
    gate, told = threading.Event(), []

    def pull(report):
        told.append("asked")
        report("half of it is here")
        assert gate.wait(20)
        if len(told) == 1:
            raise EnvironmentFault("the download broke off", "no route", "try again")

    image = web_image()
    live = start(Image("web:1", image.ports, image.program, pull))
    live.create(POD, "web", pod_spec())
    live.until(lambda: len(live.told("Pulling")) == 2, "the report")
    assert live.told("Pulling") == ['Pulling image "web:1"', 'Pulling image "web:1": half of it is here']
    assert live.container("web")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    gate.set()
    assert live.until_waiting("web", "ErrImagePull")["message"] == "the download broke off: no route try again"
    live.ahead_s += 11
    live.until_ready()
    assert len(told) == 2
    assert live.told("Pulled")[0].startswith('Successfully pulled image "web:1" in ')
    live.create(POD, "other", pod_spec())
    live.until_ready("other")
    assert live.told("Pulled", "other") == ['Container image "web:1" already present on machine']


def reference(kind, name, key, **more):
    return {"name": key.upper(), "valueFrom": {f"{kind}KeyRef": {"name": name, "key": key, **more}}}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (reference("secret", "keys", "main"), 'secret "keys" not found'),
        (reference("configMap", "settings", "main"), 'configmap "settings" not found'),
        (reference("secret", "there", "main"), "couldn't find key main in Secret o1/there"),
        (reference("configMap", "there", "main"), "couldn't find key main in ConfigMap o1/there"),
    ],
)
def test_what_is_missing_is_named_and_awaited(live, env, message):
    for kind in (SECRET, CONFIG_MAP):
        live.create(kind, "there", data={})
    live.create(POD, "web", pod_spec(web(env=[env])))
    assert live.until_waiting("web", "CreateContainerConfigError")["message"] == message
    assert live.told("Failed") == [f"Error: {message}"]
    with pytest.raises(ApiError) as refused:
        live.lines("web")
    assert str(refused.value) == 'container "web" in pod "web" is waiting to start: CreateContainerConfigError'
    for kind, name in ((SECRET, "keys"), (CONFIG_MAP, "settings")):
        live.create(kind, name, data={"main": "eA=="})
    for kind in (SECRET, CONFIG_MAP):
        live.do(live.client.update, kind, {**live.get(kind, "there"), "data": {"main": "eA=="}})
    live.until_ready()


def test_the_variables_of_a_manifest_reach_the_process(live):
    live.create(SECRET, "keys", data={"main": base64.b64encode(b"s3cret").decode()})
    live.create(CONFIG_MAP, "settings", data={"COLOUR": "red", "SIZE": "7"})
    env = [
        {"name": "PLAIN", "value": "one"},
        reference("secret", "keys", "main"),
        reference("secret", "absent", "none", optional=True),
        {"name": "JOINED", "value": "$(PLAIN)-$(MAIN)-$(C_COLOUR)-$(UNKNOWN)-$$(PLAIN)"},
        {"name": "C_SIZE", "value": "8"},
        {"name": "DB", "value": "postgresql://u:$(MAIN)@db.o1.svc:5432/x"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    sources = [
        {"prefix": "C_", "configMapRef": {"name": "settings"}},
        {"secretRef": {"name": "absent", "optional": True}},
    ]
    limited = web(env=env, envFrom=sources, resources={"limits": {"memory": "64Mi"}}, readinessProbe=http_get())
    body = {"metadata": {"name": "web", "namespace": NAMESPACE, "labels": {"app": "shop"}}, "spec": pod_spec(limited)}
    live.do(live.client.create, POD, body)
    live.until_ready()
    seen = httpx.get(live.url()).json()
    assert {name: seen.get(name) for name in ("PLAIN", "MAIN", "NONE", "JOINED", "C_COLOUR", "C_SIZE")} == {
        "PLAIN": "one",
        "MAIN": "s3cret",
        "NONE": None,
        "JOINED": "one-s3cret-red-$(UNKNOWN)-$(PLAIN)",
        "C_COLOUR": "red",
        "C_SIZE": "8",
    }
    assert seen["DB"] == "postgresql://u:s3cret@127.0.0.1:15432/x"
    assert (seen["POD"], seen["LABEL"], seen["IP"], seen["MEMORY"]) == ("web", "shop", "127.0.0.1", "64")


def test_commands_and_init_containers_are_openly_ignored(live, tmp_path):
    mark = tmp_path / "executed"
    command = ["touch", str(mark)]
    hooks = {"postStart": {"exec": {"command": command}}}
    spec = pod_spec(web(command=command, args=["x"], lifecycle=hooks, readinessProbe=http_get()))
    live.create(POD, "web", {**spec, "initContainers": [{"name": "first", "image": "web:1", "command": command}]})
    live.until_ready()
    assert not mark.exists()
    own = 'the catalogue\'s own command line of image "web:1" does'
    assert live.told("CommandIgnored") == [
        f"command and args and postStart of container web never run on the local cluster: {own}"
    ]
    assert live.told("InitContainersIgnored") == ["init containers never run on the local cluster: first"]


def folder_image(seen):
    """An image whose program is the web server, and which notes the folders that it is given."""
    image = web_image()

    def program(container):
        seen.append(dict(container.volumes))
        return image.program(container)

    return Image("web:1", image.ports, program)


def test_volumes_become_folders_and_claims_outlive_their_pods(start):
    seen = []
    live = start(folder_image(seen))
    live.create(SECRET, "keys", data={"main": base64.b64encode(b"\xff\x00").decode()})
    live.create(CONFIG_MAP, "settings", data={"a": "1", "b": "2"})
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = live.create(CLAIM, "data", wanted)
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "a", "path": "sub/x"}]}},
        {
            "name": "all",
            "projected": {
                "sources": [
                    {"configMap": {"name": "settings"}},
                    {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                ]
            },
        },
    ]
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    mounts.append({"name": "data", "mountPath": "/part", "subPath": "deep/er"})
    spec = pod_spec(web(volumeMounts=mounts, readinessProbe=http_get()), volumes=volumes)
    live.create(POD, "web", spec)
    live.until_ready()
    at = seen[0]
    assert at["/data"] == live.home / "volumes" / NAMESPACE / f"data-{claim['metadata']['uid']}"
    assert at["/part"] == at["/data"] / "deep" / "er"
    assert at["/part"].is_dir()
    assert (at["/keys"] / "main").read_bytes() == b"\xff\x00"
    assert (at["/keys"] / "main").stat().st_mode & 0o777 == 0o600
    assert [path.relative_to(at["/settings"]).as_posix() for path in at["/settings"].rglob("*")] == ["sub", "sub/x"]
    assert {path.name: path.read_text() for path in at["/all"].iterdir()} == {"a": "1", "b": "2", "name": "web"}
    live.do(live.client.update, CONFIG_MAP, {**live.get(CONFIG_MAP, "settings"), "data": {"a": "3"}})
    live.until(lambda: {path.name for path in at["/all"].iterdir()} == {"a", "name"}, "the files to follow")
    (at["/data"] / "kept").touch()
    (at["/tmp"] / "gone").touch()
    live.delete(POD, "web")
    live.until(lambda: live.get(POD, "web") is None, "the pod to go")
    live.create(POD, "web", spec)
    live.until_ready()
    assert seen[-1]["/data"] == at["/data"]
    assert (at["/data"] / "kept").exists()
    assert list(seen[-1]["/tmp"].iterdir()) == []
    live.delete(POD, "web")
    live.delete(CLAIM, "data")
    live.until(lambda: not (live.home / "volumes" / NAMESPACE).exists(), "the claim's folder to go")


@pytest.mark.parametrize(
    ("volume", "why"),
    [
        ({"secret": {"secretName": "later"}}, 'secret "later" not found'),
        ({"configMap": {"name": "later"}}, 'configmap "later" not found'),
    ],
)
def test_a_volume_that_cannot_be_mounted_is_awaited(live, volume, why):
    spec = pod_spec(web(volumeMounts=[{"name": "v", "mountPath": "/v"}], readinessProbe=http_get()))
    live.create(POD, "web", {**spec, "volumes": [{"name": "v", **volume}]})
    live.until(lambda: live.told("FailedMount"), "the event")
    assert set(live.told("FailedMount")) == {f'MountVolume.SetUp failed for volume "v" : {why}'}
    assert live.container("web")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    for kind in (SECRET, CONFIG_MAP):
        live.create(kind, "later", data={})
    live.until_ready()


def test_the_end_of_a_pod_waits_for_its_pause_and_kills_the_stubborn(live):
    stubborn = web(env=[{"name": "STUBBORN", "value": "1"}, {"name": "CHILD", "value": "1"}], readinessProbe=http_get())
    live.create(POD, "web", pod_spec(stubborn, terminationGracePeriodSeconds=1))
    live.until_ready()
    process = psutil.Process(pid(live.container("web")))
    family = [process, *process.children()]
    assert len(family) == 2
    live.delete(POD, "web")
    live.until(lambda: live.get(POD, "web") is None, "the pod to go")
    assert all(processes.how_it_ended(one) for one in family)
    assert live.told("Killing") == ["Stopping container web"]
    patient = web(lifecycle={"preStop": {"sleep": {"seconds": 2}}}, readinessProbe=http_get())
    live.create(POD, "slow", pod_spec(patient))
    live.until_ready("slow")
    process, began = psutil.Process(pid(live.container("slow"))), utc()
    live.delete(POD, "slow")
    live.until(lambda: live.get(POD, "slow") is None, "the pod to go")
    assert 2 <= (utc() - began).total_seconds() < 5
    assert processes.how_it_ended(process)


def test_a_pod_deleted_by_force_and_made_again_leaves_nothing_behind(live):
    live.create(POD, "web", pod_spec(web(env=[{"name": "STUBBORN", "value": "1"}], readinessProbe=http_get())))
    uid = live.until_ready()["metadata"]["uid"]
    process = psutil.Process(pid(live.container("web")))
    live.delete(POD, "web", grace_s=0)
    live.create(POD, "web", pod_spec())
    live.until_ready()
    live.until(lambda: processes.how_it_ended(process), "the old process to end")
    live.until(lambda: not (live.home / "pods" / uid).exists(), "the old folder to go")
    assert httpx.get(live.url()).status_code == 200


def test_an_end_can_be_hastened(live):
    live.create(POD, "web", pod_spec(web(env=[{"name": "STUBBORN", "value": "1"}], readinessProbe=http_get())))
    live.until_ready()
    live.delete(POD, "web")
    live.until(lambda: live.told("Killing"), "the end to begin")
    live.delete(POD, "web", grace_s=1)
    live.until(lambda: live.get(POD, "web") is None, "the pod to go", timeout=10)


def test_logs_can_be_followed_cut_and_are_refused_what_they_have_not(live):
    live.create(POD, "web", pod_spec())
    live.until_ready()
    log = live.home / "pods" / live.get(POD, "web")["metadata"]["uid"] / "logs" / "web" / "0.log"
    log.write_text("".join(f"line {number}\n" for number in range(5)))
    assert live.lines("web", tailLines="2") == "line 3\nline 4\n"
    assert live.lines("web", tailLines="0") == ""
    assert live.lines("web", tailLines="9") == log.read_text()
    assert live.lines("web", limitBytes="8") == "line 0\nl"
    for query, code, why in (
        ({"previous": "true"}, 400, 'previous terminated container "web" in pod "web" not found'),
        ({"sinceSeconds": "5"}, 400, "the local cluster does not note the times of lines"),
        ({"timestamps": "true"}, 400, "the local cluster does not note the times of lines"),
        ({"tailLines": "-1"}, 422, "must be greater than or equal to 0"),
    ):
        with pytest.raises(ApiError) as refused:
            live.lines("web", **query)
        assert refused.value.code == code
        assert why in str(refused.value)
    following = asyncio.run_coroutine_threadsafe(follow(live, "web"), live.loop)
    with log.open("a") as stream:
        stream.write("the last\n")
    live.delete(POD, "web")
    assert following.result(20).endswith("line 4\nthe last\n")


async def follow(live, name):
    found = b""
    async for chunk in live.kubelet.logs(live.client.get(POD, NAMESPACE, name), "web", {"follow": "true"}):
        found += chunk
    return found.decode()


def test_the_node_offers_what_the_machine_has(live):
    node = live.do(live.client.get, NODE, "", "local")
    assert node["status"]["capacity"]["cpu"] == str(os.cpu_count())
    assert node["status"]["allocatable"]["maas-lab.dev/gpu-slot"] == "2"
    assert condition(node["status"], "Ready")["reason"] == "KubeletReady"
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.32")
    assert {name for image in node["status"]["images"] for name in image["names"]} == {"web:1", "web:2"}


def test_the_node_tells_what_runs_under_the_names_of_images(start):
    def told(live):
        return json.loads(live.do(live.client.get, NODE, "", "local")["metadata"]["annotations"]["maas-lab/what-runs"])

    image = dataclasses.replace(web_image("web:1"), runs=Runs("a web server", "stand-in", "for a test"))
    live = start(image, web_image("web:2"))
    assert told(live) == {"web:1": {"what": "a web server", "real": "stand-in", "why": "for a test"}}
    node = live.do(live.client.get, NODE, "", "local")
    metadata = {**node["metadata"], "annotations": {"mine": "kept"}}
    live.do(live.client.update, NODE, {**node, "metadata": metadata})
    live.down()
    live = start(dataclasses.replace(web_image("web:1"), runs=Runs("another one", "real", "for a test")))
    assert told(live)["web:1"]["what"] == "another one"
    assert live.do(live.client.get, NODE, "", "local")["metadata"]["annotations"]["mine"] == "kept"


def test_a_port_that_a_stranger_has_taken_is_replaced(start):
    live = start()
    live.create(POD, "web", pod_spec())
    live.until_ready()
    port = int(live.url().rpartition(":")[2])
    live.down()
    stranger = psutil.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)], stdout=-3, stderr=-3
    )
    try:
        wait.until(lambda: httpx.get(f"http://127.0.0.1:{port}"), what="it", timeout=20, transient=(httpx.HTTPError,))
        live = start()
        live.until_ready()
        assert live.url() != f"http://127.0.0.1:{port}"
        assert httpx.get(live.url()).json()["PATH"]
    finally:
        stranger.kill()
        stranger.wait()


def test_after_down_no_pod_is_stored_as_ready_and_up_starts_them_again(start):
    live = start()
    live.create(POD, "web", pod_spec())
    live.until_ready()
    process = psutil.Process(pid(live.container("web")))
    live.down()
    assert processes.how_it_ended(process)
    live = start()
    assert live.stored == [("web", False)]
    live.until_ready()
    status = live.container("web")
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 0)


def killed_daemon(home, definitions, *names):
    """Let a daemon in another process run pods, each with a child process, and kill it."""
    argv = [sys.executable, __file__, str(home), str(definitions), *names]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}  # the code beside this test, wherever another one is installed
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as daemon:
        try:
            return json.loads(daemon.stdout.readline())
        finally:
            daemon.kill()


def run_daemon(home, definitions, *names):
    """Be that daemon."""
    live = Live(Path(home), schema.load(Path(definitions)), [web_image("web:1"), web_image("web:2")])
    for name in names:
        live.create(POD, name, pod_spec(web(env=[{"name": "CHILD", "value": "1"}], readinessProbe=http_get())))
    for name in names:
        live.until_ready(name)
    print(json.dumps({name: pid(live.container(name)) for name in names}), flush=True)
    signal.pause()


def test_a_killed_daemon_finds_its_processes_again(start, home, definitions):
    pids = killed_daemon(home, definitions, "keep", "dead", "gone")
    [child], [orphan] = psutil.Process(pids["keep"]).children(), psutil.Process(pids["dead"]).children()
    gone = psutil.Process(pids["gone"])
    os.kill(pids["dead"], signal.SIGKILL)
    forget(home, "gone")
    live = start()
    assert live.stored == [("dead", False), ("keep", True)]
    assert processes.how_it_ended(orphan)
    assert processes.how_it_ended(gone)
    assert {path.name for path in (home / "pods").iterdir()} == {pod["metadata"]["uid"] for pod in live.pods()}
    live.until_ready("dead")
    kept, dead = live.container("keep"), live.container("dead")
    assert (pid(kept), kept["restartCount"]) == (pids["keep"], 0)
    assert (dead["restartCount"], dead["lastState"]["terminated"]["reason"]) == (1, "Unknown")
    assert not processes.how_it_ended(child)
    os.kill(pids["keep"], signal.SIGKILL)
    live.until(lambda: live.container("keep")["restartCount"] == 1, "an adopted process to be restarted")
    live.until_ready("keep")
    assert live.container("keep")["lastState"]["terminated"]["reason"] == "Unknown"


def test_an_adopted_process_that_no_longer_serves_is_not_stored_as_ready(start, home, definitions):
    pids = killed_daemon(home, definitions, "web")
    [folder] = (home / "pods").iterdir()
    (folder / "containers" / "web" / "sick-").touch()
    live = start()
    assert live.stored == [("web", False)]
    assert pid(live.container("web")) == pids["web"]


def test_processes_of_another_home_are_left_alone(start, tmp_path, definitions):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stranger = psutil.Process(killed_daemon(elsewhere, definitions, "web")["web"])
    try:
        live = start()
        live.create(POD, "web", pod_spec())
        live.until_ready()
        assert not processes.how_it_ended(stranger)
    finally:
        processes.kill(stranger)


def forget(home, name):
    """Take a pod out of a store whose daemon is gone."""
    store = Store(home / "cluster.db")
    store.remove(POD, store.get(POD, NAMESPACE, name))
    store.close()


def test_a_deployment_from_its_creation_to_the_end_of_its_namespace(live):
    live.create(DEPLOYMENT, "web", deployment())
    live.until(lambda: (live.get(DEPLOYMENT, "web").get("status") or {}).get("availableReplicas") == 1, "it")
    [pod] = live.pods()
    name = pod["metadata"]["name"]
    os.kill(pid(live.container(name)), signal.SIGKILL)
    live.until(lambda: live.container(name)["restartCount"] == 1, "a restart")
    live.until_ready(name)
    changed = live.get(DEPLOYMENT, "web")
    changed = {**changed, "spec": {**changed["spec"], "template": deployment("web:2")["template"]}}
    live.do(live.client.update, DEPLOYMENT, changed)

    def is_rolled_out():
        status = live.get(DEPLOYMENT, "web")["status"]
        progress = condition(status, "Progressing")
        return progress["reason"] == "NewReplicaSetAvailable" and status.get("updatedReplicas") == 1 and live.pods()

    pods = live.until(lambda: is_rolled_out() and len(live.pods()) == 1 and live.pods(), "the new version")
    name = pods[0]["metadata"]["name"]
    assert live.lines(name).startswith("hello from web:2\n")
    assert [one["spec"]["replicas"] for one in live.do(live.client.list, REPLICA_SET, NAMESPACE)].count(0) == 1
    process = psutil.Process(pid(live.container(name)))
    live.delete(NAMESPACES, NAMESPACE)
    live.until(lambda: live.do(live.client.get, NAMESPACES, "", NAMESPACE) is None, "the namespace to go")
    assert processes.how_it_ended(process)
    assert live.pods() == []


def test_data_of_others_is_kept_until_their_end(start):
    """At `down` a StatefulSet's pod ends after those that may still write to it."""
    live = start()
    template = {"metadata": {"labels": {"app": "db"}}, "spec": pod_spec()}
    spec = {"serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template}
    live.create(STATEFUL_SET, "db", spec)
    live.create(POD, "client", pod_spec(web(env=[{"name": "STUBBORN", "value": "1"}]), terminationGracePeriodSeconds=1))
    live.until_ready("db-0")
    live.until_ready("client")
    live.down()
    store = Store(live.home / "cluster.db")
    ended = {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
        for _, pod, _ in store.list(POD)
    }
    store.close()
    assert ended["client"] <= ended["db-0"]


def test_a_container_of_another_image_is_started_anew(live):
    live.create(POD, "web", pod_spec())
    pod = live.until_ready()
    changed = {**pod["spec"]["containers"][0], "image": "web:2"}
    live.do(live.client.update, POD, {**pod, "spec": {**pod["spec"], "containers": [changed]}})
    live.until(lambda: live.container("web")["restartCount"] == 1, "a restart")
    live.until_ready()
    assert live.told("Killing") == ["Container web definition changed, will be restarted"]
    assert live.lines("web").startswith("hello from web:2\n")


def test_two_containers_for_one_port_get_in_each_others_way(live):
    first, second = web(readinessProbe=http_get()), web(name="again", ports=[])
    live.create(POD, "web", pod_spec(first))
    live.until_ready()
    live.create(POD, "both", pod_spec(first, second))
    live.until(lambda: "CrashLoopBackOff" in reasons(live.get(POD, "both")), "one of the two to fail")
    assert "Address already in use" in str(log_of(live, "both"))
    status = live.get(POD, "both")["status"]
    assert sorted(one["restartCount"] for one in status["containerStatuses"]) == [0, 1]
    assert condition(status, "ContainersReady")["message"].startswith("containers with unready status: [")


def reasons(pod):
    """Return why the containers of a pod wait."""
    told = [one["state"].get("waiting") or {} for one in pod["status"].get("containerStatuses", ())]
    return [one.get("reason") for one in told]


def log_of(live, name):
    folder = live.home / "pods" / live.get(POD, name)["metadata"]["uid"] / "logs"
    return [file.read_text() for file in folder.rglob("*.log")]


def test_a_readiness_gate_holds_a_pod_back(live):
    gates = [{"conditionType": "example.org/checked"}]
    live.create(POD, "web", pod_spec(web(), readinessGates=gates))
    live.until(lambda: live.container("web").get("ready"), "the container")
    told = condition(live.get(POD, "web")["status"], "Ready")
    missing = 'corresponding condition of pod readiness gate "example.org/checked" does not exist.'
    assert (told["status"], told["reason"], told["message"]) == ("False", "ReadinessGatesNotReady", missing)
    status = live.get(POD, "web")["status"]
    opened = {"type": "example.org/checked", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {**status, "conditions": [*status["conditions"], opened]}
    live.do(live.client.update_status, POD, live.get(POD, "web"), status)
    live.until_ready()


def test_a_program_that_is_not_there_is_told(start):
    image = web_image()
    live = start(
        Image("web:1", (8080,), lambda container: Program(("/nonexistent",), {}, container.folder)),
        Image("web:2", (8080,), lambda container: image.program(container)),
    )
    live.create(POD, "web", pod_spec())
    live.until_waiting("web", "CrashLoopBackOff")
    ended = live.container("web")["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "No such file" in ended["message"]


def test_a_refusal_in_prepare_is_in_the_log_with_its_hint(start):
    def refuse(sleep):
        raise EnvironmentFault("no", "because", "do this")

    live = start(web_image(prepare=refuse))
    live.create(POD, "web", pod_spec(restartPolicy="Never"))
    live.until(lambda: live.get(POD, "web")["status"]["phase"] == "Failed", "the refusal")
    assert live.container("web")["state"]["terminated"]["exitCode"] == 1
    assert live.lines("web") == "EnvironmentFault: no\n  why: because\n  try: do this\n"


if __name__ == "__main__":
    run_daemon(*sys.argv[1:])
