"""The contract with a Kubernetes API: the local server always, a real cluster where a kubeconfig is given.

MAAS_LAB_CONTRACT_KUBECONFIG: the cluster to test instead of the local server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import kubernetes
import pytest

from maas_lab import wait
from maas_lab.errors import TookTooLong
from maas_lab.local.runtime import Runtime

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "maas_lab.local.kube")
WITH_CONTROLLERS = (str(Path(__file__).parent / "recorded" / "control_plane.py"),)
GIVEN = os.environ.get("MAAS_LAB_CONTRACT_KUBECONFIG")


class LocalServer:
    """The local API server as a process of its own, on a home of its own."""

    def __init__(self, python: Path, definitions: Path, home: Path, program: Sequence[str] = PROGRAM) -> None:
        self._python, self._definitions, self.home, self._program = python, definitions, home, program
        self.kubeconfig = home / "kubeconfig"
        self.process: subprocess.Popen | None = None

    def argv(self) -> list[str]:
        return [str(self._python), *self._program, "--home", str(self.home), "--schemas", str(self._definitions)]

    def start(self) -> None:
        self.kubeconfig.unlink(missing_ok=True)
        with (self.home / "log").open("ab") as log:
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(self.argv(), cwd=ROOT, env=env, stdout=log, stderr=log)

        def answers() -> bool:
            assert self.process.poll() is None, (self.home / "log").read_text()
            if not self.kubeconfig.exists():
                return False
            with self.api() as api:
                return api.get("/readyz").is_success

        wait.until(answers, what="the API server", timeout=30, transient=(httpx.TransportError,))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=20)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def api(self) -> Api:
        return Api(self.kubeconfig)

    def log(self) -> str:
        return (self.home / "log").read_text()


class Api(httpx.Client):
    """Raw exchanges with the cluster of a kubeconfig; paths are given without the namespace's prefix."""

    def __init__(self, kubeconfig: Path, *, token: str | None = None) -> None:
        settings = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=settings)
        trust = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        headers = {"user-agent": "contract/1"}
        if token is None and settings.cert_file:
            trust.load_cert_chain(settings.cert_file, settings.key_file)
        if token is None:
            headers.update(("authorization", one["value"]) for one in settings.auth_settings().values())
        if token:
            headers["authorization"] = f"Bearer {token}"
        super().__init__(base_url=settings.host, verify=trust, headers=headers, timeout=30, trust_env=False)


@dataclass(frozen=True)
class Space:
    """A namespace of one test, and the ways to it."""

    api: Api
    name: str

    def path(self, plural: str, name: str = "", group: str = "") -> str:
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    def create(self, plural: str, body: dict, group: str = "", **query: str) -> httpx.Response:
        return self.api.post(self.path(plural, group=group), json=body, params=query)

    def made(self, plural: str, body: dict, group: str = "") -> dict:
        answer = self.create(plural, body, group)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def config_map(self, name: str, data: dict | None = None, **metadata) -> dict:
        body = {"metadata": {"name": name, **metadata}}
        return self.made("configmaps", {**body, "data": data} if data else body)

    def patch(self, path: str, how: str, change, **query: str) -> httpx.Response:
        headers = {"content-type": f"application/{how}"}
        return self.api.patch(path, json=change, headers=headers, params=query)


@contextlib.contextmanager
def serving(server: LocalServer):
    """A server while a fixture lasts; whatever it was asked, it has not met a bug of its own."""
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log(), server.log()


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The kubeconfig of the cluster under test."""
    if GIVEN:
        yield Path(GIVEN)
        return
    python = request.getfixturevalue("runtime").python
    server = LocalServer(python, request.getfixturevalue("definitions"), tmp_path_factory.mktemp("kube"))
    with serving(server):
        yield server.kubeconfig


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The kubeconfig of a cluster whose controllers work: of the local server with all of them, and one node."""
    if GIVEN:
        yield Path(GIVEN)
        return
    python, definitions = request.getfixturevalue("runtime").python, request.getfixturevalue("definitions")
    with serving(LocalServer(python, definitions, tmp_path_factory.mktemp("plane"), WITH_CONTROLLERS)) as server:
        yield server.kubeconfig


@pytest.fixture(scope="session")
def local_home(kubeconfig: Path) -> Path:
    """The home of the local server, for what a real cluster cannot show."""
    if GIVEN:
        pytest.skip("for the local server only")
    return kubeconfig.parent


@pytest.fixture
def local_server(runtime: Runtime, definitions: Path, tmp_path: Path):
    """A local server of one test, which may be ended and started again."""
    server = LocalServer(runtime.python, definitions, tmp_path)
    server.start()
    yield server
    with contextlib.suppress(ProcessLookupError):
        server.stop(signal.SIGKILL)


@pytest.fixture
def own_control_plane(runtime: Runtime, definitions: Path, tmp_path_factory: pytest.TempPathFactory):
    """A local server of one test, with all controllers, and a script for a kubelet."""
    home = tmp_path_factory.mktemp("plane")
    with serving(LocalServer(runtime.python, definitions, home, WITH_CONTROLLERS)) as server:
        yield server


@pytest.fixture(scope="session")
def api(kubeconfig: Path):
    with Api(kubeconfig) as client:
        yield client


@pytest.fixture
def caller(kubeconfig: Path):
    """Open a client with another token than the administrator's; "" for none at all."""
    with contextlib.ExitStack() as opened:
        yield lambda token: opened.enter_context(Api(kubeconfig, token=token))


@contextlib.contextmanager
def namespace(api: Api):
    """A new namespace; it is deleted without waiting."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    created = api.post("/api/v1/namespaces", json={"metadata": {"name": name}})
    assert created.status_code == 201, created.text
    yield Space(api, name)
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def furniture(api: Api) -> tuple[tuple[str, str], ...]:
    """What a real cluster's controllers put into every namespace, if they run; the local server puts nothing there."""
    known = (("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt"))
    if not GIVEN:
        return ()
    with namespace(api) as space, contextlib.suppress(TookTooLong):
        wait.until(lambda: all(api.get(space.path(*one)).is_success for one in known), what="furniture", timeout=5)
        return known
    return ()


@pytest.fixture
def space(api: Api, furniture: tuple[tuple[str, str], ...]):
    """A namespace of the test's own, furnished."""
    with namespace(api) as made:
        for one in furniture:
            wait.until(lambda: api.get(made.path(*one)).is_success, what=one[1], timeout=30)  # noqa: B023
        yield made


@pytest.fixture
def kubectl(kubeconfig: Path, space: Space):
    """Run kubectl in the test's namespace and return the finished process."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")

    def run(*arguments: str, stdin: str = "", ok: bool = True) -> subprocess.CompletedProcess:
        argv = [program, "--kubeconfig", str(kubeconfig), "--namespace", space.name, *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert not ok or done.returncode == 0, done.stderr
        return done

    return run
