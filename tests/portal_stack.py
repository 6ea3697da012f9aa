"""Labs that the portal's tests use: one that they start themselves, as pods have it, or one that runs already."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import psutil
import pytest
import yaml

from maas_lab import settings, wait
from maas_lab.local import processes
from maas_lab.local.images import Container
from maas_lab.local.network.ports import Ports
from maas_lab.local.postgres import Login
from maas_lab.local.programs import catalogue, frontend, litellm, llamacpp, portal, postgres
from maas_lab.local.runtime import Runtime
from tests.made_up import MASTER_KEY, MODEL_KEY, PASSWORD, SALT_KEY

ROOT = Path(__file__).parents[1]
GIVEN = "MAAS_LAB_PORTAL_"
JWT_SECRET = "not-a-real-secret" * 3
ADMIN_KEY = "ltm_admin_not-a-real-key"
CROWD = [f"learner{number:02}" for number in range(50)]
USERS = {
    "alice": ("Alice, a consumer", "litemaas-users"),
    "bob": ("Bob, a consumer", "litemaas-users"),
    "carol": ("Carol, an administrator", "litemaas-admins"),
    "dave": ("Dave, an auditor", "litemaas-readonly"),
    "erin": ("Erin, whom only one test knows", "litemaas-users"),
    "frank": ("Frank, whom only one test knows", "litemaas-users"),
    **{name: (name, "litemaas-users") for name in CROWD},
}


@dataclass(frozen=True)
class ModelServer:
    """What an administrator tells the portal of a model server.

    Attributes:
        base: its address with `/v1`.
        served: the model's name there.
    """

    base: str
    key: str = field(repr=False)
    served: str = "tiny"


@dataclass
class Lab:
    """A portal with gateway and model, and those who use it.

    Attributes:
        passwords: of the cluster's users, by name.
        authority: file of certificates of the cluster's login; None means the system's.
        gateway_key: the gateway's master key.
    """

    url: str
    gateway: str
    passwords: Mapping[str, str] = field(repr=False)
    authority: Path | None
    gateway_key: str = field(repr=False)
    model: ModelServer
    sessions: dict[str, str] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    @property
    def learners(self) -> list[str]:
        return [name for name in self.passwords if name.startswith("learner")]

    def http(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=headers, verify=self.trust, trust_env=False, timeout=60)

    def authorize(self, address: str, user: str) -> httpx.Response:
        """Do what a browser does at the cluster's login."""
        return httpx.get(address, auth=(user, self.passwords[user]), verify=self.trust, trust_env=False, timeout=20)

    def login(self, user: str) -> str:
        with self.http() as http:
            address = http.post("/api/auth/login").json()["authUrl"]
            back = http.get(self.authorize(address, user).headers["location"])
        assert back.status_code == 302, back.text
        path, _, fragment = back.headers["location"].partition("#")
        assert path.endswith("/auth/callback")
        return dict(parse_qsl(fragment))["token"]

    def session(self, user: str) -> str:
        if user not in self.sessions:
            self.sessions[user] = self.login(user)
        return self.sessions[user]

    def as_(self, user: str) -> httpx.Client:
        return self.http(Authorization=f"Bearer {self.session(user)}")

    def ask(self, key: str, model: str = "tiny", tokens: int = 4) -> httpx.Response:
        """Call a model at the gateway."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": tokens}
        options = {"headers": {"Authorization": f"Bearer {key}"}, "verify": self.trust, "trust_env": False}
        return httpx.post(f"{self.gateway}/v1/chat/completions", json=body, timeout=120, **options)


@dataclass
class GivenLab(Lab):
    """A portal that runs already."""

    @classmethod
    def read(cls, env: Mapping[str, str]) -> GivenLab:
        """Read the variables that `portal_lab.py` tells of."""
        needed = ("URL", "GATEWAY_URL", "GATEWAY_KEY", "USERS", "MODEL_URL", "MODEL_NAME")
        if missing := [GIVEN + name for name in needed if not env.get(GIVEN + name)]:
            pytest.exit(f"set {', '.join(missing)} too: tests/portal_lab.py says what they are", 4)
        users = json.loads(Path(env[GIVEN + "USERS"]).read_text(encoding="utf-8"))
        return cls(
            url=env[GIVEN + "URL"].rstrip("/"),
            gateway=env[GIVEN + "GATEWAY_URL"].rstrip("/").removesuffix("/v1"),
            passwords={name: one if isinstance(one, str) else one["password"] for name, one in users.items()},
            authority=Path(env[GIVEN + "CA"]) if env.get(GIVEN + "CA") else None,
            gateway_key=env[GIVEN + "GATEWAY_KEY"],
            model=ModelServer(env[GIVEN + "MODEL_URL"], env.get(GIVEN + "MODEL_KEY", ""), env[GIVEN + "MODEL_NAME"]),
        )


@dataclass
class Pod:
    """One container of one pod."""

    home: Path
    ports: Ports
    image: Any
    name: str
    env: dict[str, str]
    process: psutil.Popen | None = None
    mount: str = ""

    @property
    def port(self) -> int:
        return self.ports.of("pod", self.name, str(self.image.ports[0]))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    def start(self) -> Pod:
        folder, volume = self.home / self.name, self.home / f"{self.name}-volume"
        for one in (folder, volume):
            one.mkdir(mode=0o700, exist_ok=True)
        volumes = {self.mount: volume} if self.mount else {}
        container = Container(self.env, {self.image.ports[0]: self.port}, volumes, folder)
        program = self.image.program(container)
        program.prepare(time.sleep)
        self.process = processes.spawn(program.argv, program.env, program.cwd, self.log)
        return self

    def end(self) -> None:
        if self.process is not None:
            processes.end(self.process, grace_s=20)

    def until(self, path: str, status: int = 200) -> Pod:
        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            return httpx.get(self.url + path, trust_env=False, timeout=10).status_code == status

        wait.until(answers, what=f"{self.name} to answer {status} at {path}", timeout=90, transient=(httpx.HTTPError,))
        return self


@dataclass
class OwnLab(Lab):
    """A portal of this test run's own, whose insides can be looked at."""

    home: Path = Path()
    runtime: Runtime | None = None
    pods: dict[str, Pod] = field(default_factory=dict, repr=False)

    def sql(self, statement: str, database: str = "litemaas_db") -> str:
        pod = self.pods["postgres"]
        return Login(self.runtime.postgres_bin, pod.port, "admin_1", PASSWORD, database).execute(statement)

    @property
    def pages(self) -> str:
        """The address of the web pages."""
        return f"{self.pods['frontend'].url}/"

    def logs(self) -> str:
        return self.pods["portal"].log.read_text()

    def restart(self, **env: str) -> None:
        """Start the portal anew, with other variables."""
        pod = self.pods["portal"]
        pod.end()
        self.pods["portal"] = replace(pod, env=pod.env | env).start().until("/api/v1/health/ready")

    def variables(self) -> dict[str, str]:
        """Return what makes another test run use this lab."""
        return {
            GIVEN + "URL": self.url,
            GIVEN + "GATEWAY_URL": self.gateway,
            GIVEN + "GATEWAY_KEY": self.gateway_key,
            GIVEN + "USERS": str(self.home / "kube/users.json"),
            GIVEN + "CA": str(self.authority),
            GIVEN + "MODEL_URL": self.model.base,
            GIVEN + "MODEL_KEY": self.model.key,
            GIVEN + "MODEL_NAME": self.model.served,
        }


def given() -> bool:
    """Return whether the tests are pointed at a portal that runs already."""
    return GIVEN + "URL" in os.environ


def kubernetes(home: Path, runtime: Runtime, definitions: Path) -> subprocess.Popen:
    """Start the local cluster's API with many users."""
    (home / "kube").mkdir(mode=0o700)
    users = {
        name: {"password": uuid.uuid4().hex, "groups": [group], "full_name": told}
        for name, (told, group) in USERS.items()
    }
    (home / "kube/users.json").write_text(json.dumps(users))
    argv = [runtime.python, "-m", "maas_lab.local.kube", "--home", home, "--schemas", definitions]
    env = settings.child_environment() | {"PYTHONPATH": str(ROOT)}
    with (home / "kube.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)
    wait.until((home / "kubeconfig").exists, what="the Kubernetes API", timeout=60)
    return process


def portal_variables(home: Path, database: Pod, gateway: Pod, own: str) -> dict[str, str]:
    """Return what the manifest gives the backend."""
    cluster = yaml.safe_load((home / "kubeconfig").read_text())["clusters"][0]["cluster"]
    address = f"postgresql://admin_1:{PASSWORD}@127.0.0.1:{database.port}"
    return {
        "NODE_ENV": "production",
        "HOST": "0.0.0.0",
        "PORT": "8080",
        "DATABASE_URL": f"{address}/litemaas_db?sslmode=disable",
        "LITELLM_DATABASE_URL": f"{address}/litellm_db?sslmode=disable",
        "OAUTH_CLIENT_ID": "system:serviceaccount:maas-system:litemaas",
        "OAUTH_CLIENT_SECRET": "unused",
        "OAUTH_ISSUER": cluster["server"],
        "OPENSHIFT_API_URL": cluster["server"],
        "OAUTH_CALLBACK_URL": f"{own}/api/auth/callback",
        "CORS_ORIGIN": "https://portal.example",
        "NODE_EXTRA_CA_CERTS": str(home / "kube/ca.crt"),
        "JWT_SECRET": JWT_SECRET,
        "JWT_EXPIRES_IN": "24h",
        "ADMIN_API_KEYS": f"without-prefix,{ADMIN_KEY}",
        "LITELLM_API_URL": gateway.url,
        "LITELLM_API_KEY": MASTER_KEY,
        "LITELLM_MASTER_KEY": MASTER_KEY,
        "LITELLM_AUTO_SYNC": "true",
        "ADMIN_ANALYTICS_RATE_LIMIT": "1000",
        "ADMIN_EXPORT_RATE_LIMIT": "1000",
    }


@contextlib.contextmanager
def own_lab(runtime: Runtime, definitions: Path, home: Path) -> Iterator[OwnLab]:
    """Start a lab under an empty folder, and end it."""
    home.chmod(0o700)
    images, ports, pods = catalogue(runtime, settings.load()), Ports(home / "ports.json"), {}
    cluster = kubernetes(home, runtime, definitions)

    def pod(image: str, name: str, env: dict[str, str], mount: str = "") -> Pod:
        pods[name] = Pod(home, ports, images.find(image), name, env, mount=mount)
        return pods[name]

    try:
        names = {"POSTGRESQL_USER": "admin_1", "POSTGRESQL_PASSWORD": PASSWORD, "POSTGRESQL_DATABASE": "litemaas_db"}
        database = pod(postgres.REFERENCE, "postgres", names, str(postgres.MOUNT)).start()
        gateway_env = {
            "LITELLM_MASTER_KEY": MASTER_KEY,
            "LITELLM_SALT_KEY": SALT_KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "STORE_MODEL_IN_DB": "True",
            "PROXY_BATCH_WRITE_AT": "1",
            "DATABASE_URL": f"postgresql://admin_1:{PASSWORD}@127.0.0.1:{database.port}/litellm_db",
        }
        gateway = pod(litellm.REFERENCE, "litellm", gateway_env).start()
        model_env = {"LLAMA_ARG_ALIAS": "tiny", "LLAMA_API_KEY": MODEL_KEY}
        model = pod(llamacpp.REFERENCE, "model", model_env).start()
        own = pod(portal.REFERENCE, "portal", {})
        own.env = portal_variables(home, database, gateway, own.url)
        own.start().until("/api/v1/health/ready")
        gateway.until("/health/liveness")
        model.until("/health")
        pages_env = {name: own.env[name] for name in ("OAUTH_ISSUER", "NODE_EXTRA_CA_CERTS")}
        pod(frontend.REFERENCE, "frontend", {"BACKEND_URL": own.url, **pages_env}).start().until("/")
        users = json.loads((home / "kube/users.json").read_text(encoding="utf-8"))
        yield OwnLab(
            url=own.url,
            gateway=gateway.url,
            passwords={name: told["password"] for name, told in users.items()},
            authority=home / "kube/ca.crt",
            gateway_key=MASTER_KEY,
            model=ModelServer(f"{model.url}/v1", MODEL_KEY),
            home=home,
            runtime=runtime,
            pods=pods,
        )
    finally:
        for one in reversed(pods.values()):
            one.end()
        cluster.terminate()
        cluster.wait(timeout=20)
