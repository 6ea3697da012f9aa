"""The lab that the portal's tests use: one of their own, or a portal that runs already, ours or LiteMaaS.

Without any of these variables, the tests start a stack as pods have it: database, gateway, model, login, portal. With
them, they run against what is there, and skip what looks inside or holds the lab's portal to not having one of
LiteMaaS's faults (the marker `ours` says why):

    MAAS_LAB_PORTAL_URL          the portal's address
    MAAS_LAB_PORTAL_GATEWAY_URL  its gateway's
    MAAS_LAB_PORTAL_GATEWAY_KEY  the gateway's master key
    MAAS_LAB_PORTAL_USERS        JSON file `{"NAME": "PASSWORD", ...}`, or `{"NAME": {"password": ...}, ...}`, of alice
                                 and bob (consumers), carol (administrator), dave (auditor), learner00, learner01, ...
    MAAS_LAB_PORTAL_CA           file of certificates of portal, gateway and login; left out: those of this machine
    MAAS_LAB_PORTAL_MODEL_URL    address, with `/v1`, of a model server that the gateway reaches
    MAAS_LAB_PORTAL_MODEL_KEY    its key, if it wants one
    MAAS_LAB_PORTAL_MODEL_NAME   the model's name there

The tests register models `tiny`, `guarded` and some others, and take them away at the end; users stay.
LiteMaaS counts requests for statistics: start it with ADMIN_ANALYTICS_RATE_LIMIT=1000 and ADMIN_EXPORT_RATE_LIMIT=1000.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from maas_lab.local.runtime import Runtime
from maas_lab.portal import Portal
from tests.made_up import MASTER_KEY, MODEL_KEY, PASSWORD
from tests.portal_stack import ADMIN_KEY, JWT_SECRET, GivenLab, Lab, OwnLab, given, own_lab

MODEL = {
    "input_cost_per_token": 0.001,
    "output_cost_per_token": 0.002,
    "tpm": 1_000_000,
    "rpm": 10_000,
    "max_tokens": 512,
    "supports_vision": False,
    "supports_function_calling": False,
    "supports_parallel_function_calling": False,
    "supports_tool_choice": False,
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ours(reason): holds for the lab's own portal; skipped against another one")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if given() and (mark := item.get_closest_marker("ours")):
        pytest.skip(mark.args[0])


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if given():
        yield GivenLab.read(os.environ)
        return
    runtime: Runtime = request.getfixturevalue("runtime")
    definitions: Path = request.getfixturevalue("definitions")
    with own_lab(runtime, definitions, tmp_path_factory.mktemp("portal")) as made:
        yield made
        assert [line for line in made.logs().splitlines() if "INTERNAL_ERROR" in line] == []


@pytest.fixture(scope="session")
def described(lab: Lab):
    """Describe a model to the portal as an administrator does."""

    def describe(name: str, **more: Any) -> dict[str, Any]:
        server = {"api_base": lab.model.base, "api_key": lab.model.key, "backend_model_name": lab.model.served}
        return {"model_name": name, "description": "a small model", **MODEL, **server, **more}

    return describe


@pytest.fixture(scope="session")
def offer(lab: Lab, described):
    """Offer a model, and take it and its subscriptions away at the end."""

    @contextlib.contextmanager
    def offered(name: str, **more: Any) -> Iterator[str]:
        with lab.as_("carol") as carol:
            made = carol.post("/api/v1/admin/models", json=described(name, **more))
            assert made.status_code == 201, made.text
            try:
                yield name
            finally:
                asked = {"modelIds": [name], "limit": 100}
                for row in carol.get("/api/v1/admin/subscriptions", params=asked).json()["data"]:
                    carol.request("DELETE", f"/api/v1/admin/subscriptions/{row['id']}", json={})
                gone = carol.delete(f"/api/v1/admin/models/{name}")
            assert gone.is_success, gone.text

    return offered


@pytest.fixture(scope="session")
def tiny(offer) -> Iterator[str]:
    """A model that everybody may subscribe to."""
    with offer("tiny") as name:
        yield name


@pytest.fixture(scope="session")
def guarded(offer) -> Iterator[str]:
    """A model for which an administrator decides."""
    with offer("guarded", restrictedAccess=True) as name:
        yield name


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
def user(lab: Lab):
    """Log somebody in with their password, by the portal's client; nobody keeps a key."""
    made: list[Portal] = []

    def log_in(name: str, password: str | None = None) -> Portal:
        made.append(Portal.login(lab.url, name, password or lab.passwords[name], verify=lab.trust, timeout=60))
        return made[-1]

    yield log_in
    for one in made:
        for key in one.keys():  # noqa: SIM118
            one.delete_key(key)
        one.close()


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
    """Check a refusal and return its message."""

    def check(response: httpx.Response, status: int, code: str = "") -> str:
        assert response.status_code == status, response.text
        told = response.json()["error"]
        if isinstance(told, str):  # LiteMaaS: "[object Object]"
            return told
        if code:
            assert told["code"] == code
        return told["message"]

    return check


@pytest.fixture
def audited(lab: OwnLab):
    """Return what the audit says of a request."""

    def find(response: httpx.Response) -> dict[str, Any]:
        told = response.headers["x-request-id"]
        with lab.as_("carol") as http:
            rows = http.get("/api/v1/admin/audit?limit=200").json()["data"]
        return next(row for row in rows if row["requestId"] == told)

    return find


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
