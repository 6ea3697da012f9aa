"""One lab for the whole test run: installed and started once, in a home of its own that is deleted at the end."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from maas_lab import settings, wait
from maas_lab.cluster import Cluster
from maas_lab.gateway import Gateway
from maas_lab.local import LocalCluster
from maas_lab.local import runtime as runtime_module
from maas_lab.local.probes import listening_ports
from maas_lab.platform import Platform

ROOT = Path(__file__).parent
# Lessons 04 and 06 write them wherever they run; Git ignores them.
WRITTEN = [ROOT / "solutions" / name for name in ("report.html", "post-mortem.md")]
pytest_plugins = ["tests.portal_lab"]


@dataclass
class LabUnderTest:
    """What the tests share: a home, a runtime environment, and the running stack.

    Attributes:
        own_runtime: where this run installs a runtime environment; None where it was given one. The processes of one
            run (`pytest -n 2`) share it.
    """

    own_runtime: Path | None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="maas-lab-test-")))
    is_up: bool = False

    def __post_init__(self) -> None:
        os.environ["MAAS_LAB_HOME"] = str(self.folder / "home")
        if self.own_runtime:
            os.environ["MAAS_LAB_RUNTIME"] = str(self.own_runtime)
        for name in ("MAAS_LAB_KUBECONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "MAAS_LAB_NAMESPACE"):
            os.environ.pop(name, None)  # the lab of this run is meant, not a cluster of the user's
        settings.never_proxy_inside()

    @property
    def cluster(self) -> LocalCluster:
        return LocalCluster(settings.load())

    @property
    def interrupted(self) -> list[str]:
        """The parts of the runtime environment that were missing when its installation had been killed."""
        return json.loads(self._interruption.read_text(encoding="utf-8"))

    @property
    def _interruption(self) -> Path:
        return self.own_runtime / "interrupted.json"

    @property
    def runtime(self) -> runtime_module.Runtime:
        installed = runtime_module.Runtime(Path(os.environ["MAAS_LAB_RUNTIME"]))
        if self.own_runtime:
            self.own_runtime.mkdir(exist_ok=True)
            with (self.own_runtime / "interrupted.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not self._interruption.exists():  # once a run, by the first process that comes
                    self._interrupt_an_installation(installed)
        return runtime_module.install(installed.folder, lambda text, done, total: None)

    def up(self) -> None:
        """Bring the stack up, once."""
        if not self.is_up:
            assert self.runtime
            self.cluster.up()
            self.is_up = True

    def close(self) -> None:
        """Take the stack down and delete everything."""
        if self.is_up:
            self.cluster.down()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _interrupt_an_installation(self, installed: runtime_module.Runtime) -> None:
        """Kill `up` while it unpacks the Python part; the tests look at what that leaves and how it goes on."""
        argv = [sys.executable, "-m", "maas_lab", "up", "--no-jupyter"]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def unpacking() -> list[Path]:
            assert process.poll() is None, "the installation ended before it could be interrupted"
            return list(installed.folder.glob("python-*.building/lib/*/site-packages/*"))

        try:
            wait.until(unpacking, what="the installation to unpack packages", timeout=600)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self._interruption.write_text(json.dumps(installed.missing()), encoding="utf-8")


LAB = pytest.StashKey[LabUnderTest]()
HAD = pytest.StashKey[list[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    told = getattr(config, "workerinput", None)  # of the process that hands out the tests, with `pytest -n`
    if told:
        own = Path(told["own_runtime"]) if told["own_runtime"] else None
    else:
        own = None if "MAAS_LAB_RUNTIME" in os.environ else Path(tempfile.mkdtemp(prefix="maas-lab-runtime-"))
    config.stash[LAB] = LabUnderTest(own)
    config.stash[HAD] = [file for file in WRITTEN if file.exists()]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of `pytest -n` where all of them install the runtime environment."""
    node.workerinput["own_runtime"] = str(node.config.stash[LAB].own_runtime or "")


def pytest_sessionfinish(session: pytest.Session) -> None:
    lab = session.config.stash[LAB]
    lab.close()
    if hasattr(session.config, "workerinput"):
        return
    if lab.own_runtime:
        shutil.rmtree(lab.own_runtime, ignore_errors=True)
    for file in WRITTEN:
        if file not in session.config.stash[HAD]:
            file.unlink(missing_ok=True)


def _is_notebook(item: pytest.Item) -> bool:
    return item.path.suffix == ".ipynb"


def _rank(item: pytest.Item) -> int:
    if _is_notebook(item) or "lessons" in item.path.parts:
        return 2
    return int(bool({"stack", "runtime", "fresh_database"} & set(getattr(item, "fixturenames", ()))))


def _group(item: pytest.Item) -> str:
    """Name what must stay in one process: a notebook's cells share a kernel, and a lab takes a while to start."""
    if _rank(item):
        return "lessons" if _rank(item) == 2 else "stack"
    return "portal" if "lab" in getattr(item, "fixturenames", ()) else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what needs no stack first, the lessons last: they show that the other tests left the lab in order.

    With `pytest -n` the large groups come first, each in one process, and what is quick fills up the rest.
    """
    items.sort(key=_rank)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: ("stack", "lessons", "portal", "").index(_group(item)))
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Notebooks cannot ask for a fixture: bring the stack up for their kernels."""
    own, the_users = settings.load().home, settings.load({}).home
    assert own != the_users, "a test before this one has left the environment so that checks record in the user's home"
    if _is_notebook(item):
        item.config.stash[LAB].up()


@dataclass(frozen=True)
class RunningStack:
    """The stack as a test sees it."""

    local: LocalCluster
    platform: Platform
    gateway: Gateway

    @property
    def model(self) -> str:
        return self.platform.model

    @property
    def url(self) -> str:
        return f"{self.gateway.url}/v1"


@pytest.fixture(scope="session")
def lab_under_test(request: pytest.FixtureRequest) -> LabUnderTest:
    return request.config.stash[LAB]


@pytest.fixture(scope="session")
def runtime(lab_under_test: LabUnderTest) -> runtime_module.Runtime:
    """The installed runtime environment, without a running stack."""
    return lab_under_test.runtime


@pytest.fixture
def stack(lab_under_test: LabUnderTest):
    """The running stack; its gateway speaks with the admin key."""
    lab_under_test.up()
    local = lab_under_test.cluster
    with Cluster(local.kubeconfig) as cluster:
        platform = Platform(cluster, settings.NAMESPACE)
        with platform.gateway() as gateway:
            yield RunningStack(local, platform, gateway)


@pytest.fixture
def fresh_database(stack: RunningStack, runtime: runtime_module.Runtime):
    """The address of an empty database in the stack's PostgreSQL."""
    address = database_address(stack)
    name = f"test_{uuid.uuid4().hex[:8]}"

    def execute(statement: str) -> None:
        psql = [runtime.postgres_bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", f"{address}/postgres"]
        subprocess.run([*psql, "-c", statement], check=True, capture_output=True)

    execute(f"create database {name}")
    yield f"{address}/{name}"
    execute(f"drop database {name} with (force)")


def database_address(stack: RunningStack) -> str:
    """Return the address of the stack's PostgreSQL, with its password and without a database."""
    secret = stack.platform.cluster.secret
    user, password = (secret("postgres-secret", one, settings.NAMESPACE).reveal() for one in ("username", "password"))
    row = next(row for row in stack.local.status()["workloads"] if row["name"] == "database")
    (port,) = set(listening_ports(psutil.Process(row["pid"])))
    return f"postgresql://{user}:{password}@{settings.LOOPBACK}:{port}"
