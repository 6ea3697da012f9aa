"""A portal as its pods are: real database, gateway and model, the local cluster's login, and the web pages."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
JWT_SECRET = "not-a-real-secret" * 3
ADMIN_KEY = "ltm_admin_not-a-real-key"
CROWD = [f"learner{number:02}" for number in range(50)]
USERS = {
    "alice": ("Alice, a consumer", "litemaas-users"),
    "bob": ("Bob, a consumer", "litemaas-users"),
    "carol": ("Carol, an administrator", "litemaas-admins"),
    "dave": ("Dave, an auditor", "litemaas-readonly"),
    **{name: (name, "litemaas-users") for name in CROWD},
}
MODEL = {
    "backend_model_name": "tiny",
    "input_cost_per_token": 0.001,
    "output_cost_per_token": 0.002,
    "tpm": 1_000_000,
    "rpm": 10_000,
    "max_tokens": 512,
}


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
class Lab:
    """Everything that runs, and those who use it."""

    home: Path
    runtime: Runtime
    pods: dict[str, Pod] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.pods["portal"].url

    @property
    def pages(self) -> str:
        """The address of the web pages."""
        return f"{self.pods['frontend'].url}/"

    @property
    def gateway(self) -> str:
        return self.pods["litellm"].url

    @property
    def passwords(self) -> dict[str, str]:
        return {
            name: told["password"] for name, told in json.loads((self.home / "kube/users.json").read_text()).items()
        }

    def http(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)

    def authorize(self, address: str, user: str) -> httpx.Response:
        """Do what a browser does at the cluster's login."""
        trust = ssl.create_default_context(cafile=self.home / "kube/ca.crt")
        return httpx.get(address, auth=(user, self.passwords[user]), verify=trust, trust_env=False, timeout=20)

    def login(self, user: str) -> str:
        with self.http() as http:
            address = http.post("/api/auth/login").json()["authUrl"]
            back = http.get(self.authorize(address, user).headers["location"])
        assert back.status_code == 302, back.text
        path, _, fragment = back.headers["location"].partition("#")
        assert path == "/auth/callback"
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
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(
            f"{self.gateway}/v1/chat/completions", json=body, headers=headers, trust_env=False, timeout=120
        )

    def sql(self, statement: str, database: str = "litemaas_db") -> str:
        pod = self.pods["postgres"]
        return Login(self.runtime.postgres_bin, pod.port, "admin_1", PASSWORD, database).execute(statement)

    def logs(self) -> str:
        return self.pods["portal"].log.read_text()


def restarted(lab: Lab, **env: str) -> None:
    """Start the portal anew, with other variables."""
    pod = lab.pods["portal"]
    pod.end()
    lab.pods["portal"] = replace(pod, env=pod.env | env).start().until("/api/v1/health/ready")


@pytest.fixture(scope="session")
def restart():
    return restarted


def _kubernetes(home: Path, runtime: Runtime, definitions: Path) -> subprocess.Popen:
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


def _portal_variables(home: Path, database: Pod, gateway: Pod, own: str) -> dict[str, str]:
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


@pytest.fixture(scope="session")
def lab(runtime: Runtime, definitions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("portal")
    home.chmod(0o700)
    images, ports, made = catalogue(runtime, settings.load()), Ports(home / "ports.json"), Lab(home, runtime)
    kubernetes = _kubernetes(home, runtime, definitions)

    def pod(image: str, name: str, env: dict[str, str], mount: str = "") -> Pod:
        made.pods[name] = Pod(home, ports, images.find(image), name, env, mount=mount)
        return made.pods[name]

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
        own.env = _portal_variables(home, database, gateway, own.url)
        own.start().until("/api/v1/health/ready")
        gateway.until("/health/liveness")
        model.until("/health")
        pages_env = {
            "BACKEND_URL": own.url,
            **{name: own.env[name] for name in ("OAUTH_ISSUER", "NODE_EXTRA_CA_CERTS")},
        }
        pod(frontend.REFERENCE, "frontend", pages_env).start().until("/")
        yield made
        faults = [line for line in made.logs().splitlines() if "INTERNAL_ERROR" in line]
        assert faults == []
    finally:
        for one in reversed(made.pods.values()):
            one.end()
        kubernetes.terminate()
        kubernetes.wait(timeout=20)


@pytest.fixture(scope="session")
def described(lab: Lab):
    """Describe a model to the portal as an administrator does."""

    def describe(name: str, **more: Any) -> dict[str, Any]:
        base = {"api_base": f"{lab.pods['model'].url}/v1", "api_key": MODEL_KEY, "description": "a small model"}
        return {"model_name": name, **MODEL, **base, **more}

    return describe


@pytest.fixture(scope="session")
def tiny(lab: Lab, described) -> str:
    """A model that everybody may subscribe to."""
    with lab.as_("carol") as carol:
        made = carol.post("/api/v1/admin/models", json=described("tiny"))
        assert made.status_code == 201, made.text
    return "tiny"


@pytest.fixture(scope="session")
def guarded(lab: Lab, described) -> str:
    """A model for which an administrator decides."""
    with lab.as_("carol") as carol:
        made = carol.post("/api/v1/admin/models", json=described("guarded", restrictedAccess=True))
        assert made.status_code == 201, made.text
    return "guarded"


@pytest.fixture
def alice(lab: Lab, tiny: str) -> Iterator[httpx.Client]:
    """A user with a subscription, and without keys."""
    yield from _consumer(lab, "alice", tiny)


@pytest.fixture
def bob(lab: Lab, tiny: str) -> Iterator[httpx.Client]:
    yield from _consumer(lab, "bob", tiny)


def _consumer(lab: Lab, user: str, model: str) -> Iterator[httpx.Client]:
    with lab.as_(user) as http:
        assert http.post("/api/v1/subscriptions", json={"modelId": model}).status_code in (201, 409)
        yield http
        for key in http.get("/api/v1/api-keys?limit=100").json()["data"]:
            assert http.delete(f"/api/v1/api-keys/{key['id']}").status_code == 200


@pytest.fixture
def carol(lab: Lab) -> Iterator[httpx.Client]:
    """The administrator."""
    with lab.as_("carol") as http:
        yield http


@pytest.fixture
def dave(lab: Lab) -> Iterator[httpx.Client]:
    """The auditor."""
    with lab.as_("dave") as http:
        yield http


@pytest.fixture
def make_key(tiny: str):
    """Make a key and return what the portal answered."""

    def make(http: httpx.Client, name: str = "My GenAI App", **more: Any) -> dict[str, Any]:
        made = http.post("/api/v1/api-keys", json={"modelIds": [tiny], "name": name, **more})
        assert made.status_code == 201, made.text
        return made.json()

    return make


@pytest.fixture
def refusal():
    """Check the form of a refusal and return its message."""

    def check(response: httpx.Response, status: int, code: str = "") -> str:
        assert response.status_code == status, response.text
        told = response.json()
        assert told["error"]["statusCode"] == status
        assert told["requestId"] == told["error"]["requestId"]
        if code:
            assert told["error"]["code"] == code
        return told["error"]["message"]

    return check


@pytest.fixture
def audited(lab: Lab):
    """Return what the audit says of a request."""

    def find(response: httpx.Response) -> dict[str, Any]:
        told = response.headers["x-request-id"]
        with lab.as_("carol") as http:
            rows = http.get("/api/v1/admin/audit?limit=200").json()["data"]
        return next(row for row in rows if row["requestId"] == told)

    return find


@pytest.fixture
def crowd() -> list[str]:
    return CROWD


@pytest.fixture
def secrets_of_the_lab() -> tuple[str, ...]:
    return PASSWORD, MASTER_KEY, MODEL_KEY, JWT_SECRET, ADMIN_KEY


@pytest.fixture
def admin_key() -> str:
    return ADMIN_KEY


@pytest.fixture
def jwt_secret() -> str:
    return JWT_SECRET


@pytest.fixture
def query_of():
    """Return the parameters of an address."""
    return lambda address: dict(parse_qsl(urlsplit(address).query))
