"""The portal's manifests on a local cluster of their own: pod, Secret, certificate, login, key and call."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest

from maas_lab import settings, wait
from maas_lab.cluster import Cluster
from maas_lab.errors import ClusterError
from maas_lab.local import LocalCluster

pytestmark = pytest.mark.ours("starts a cluster of its own")
OVERLAY = Path(__file__).parent / "overlay"


@pytest.fixture
def own(runtime, tmp_path):
    """A local cluster of this test's own."""
    cluster = LocalCluster(settings.Settings(home=tmp_path / "home", runtime=runtime.folder))
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


def test_from_apply_to_answer(own):
    with Cluster(own.kubeconfig, namespace=settings.NAMESPACE) as cluster:
        cluster.apply(OVERLAY, settings.NAMESPACE)
        url = wait.until(
            lambda: cluster.route_url("litemaas", settings.NAMESPACE),
            what="the portal's Route",
            timeout=30,
            transient=(ClusterError,),
        )
        secret = cluster.get("Secret", "litemaas-token", settings.NAMESPACE)["data"]
    authority = own.home.root / "kube/ca.crt"
    assert base64.b64decode(secret["ca.crt"]).decode() == authority.read_text()
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        wait.until(lambda: http.get("/api/v1/health").status_code == 200, what="the portal", timeout=60)
        assert "<title>MaaS portal</title>" in http.get("/").text
        address = http.post("/api/auth/login").json()["authUrl"]
        password = json.loads((own.home.root / "kube/users.json").read_text())["alice"]["password"]
        trust = ssl.create_default_context(cafile=authority)
        back = httpx.get(address, auth=("alice", password), verify=trust, trust_env=False).headers["location"]
        form = http.get("/oauth/authorize", params=httpx.URL(address).params, headers={"accept": "text/html"})
        assert (form.status_code, 'name="password"' in form.text) == (200, True)
        fragment = http.get(back).headers["location"].partition("#")[2]
        http.headers["Authorization"] = f"Bearer {dict(parse_qsl(fragment))['token']}"
        (model,) = http.get("/api/v1/models").json()["data"]
        assert http.post("/api/v1/subscriptions", json={"modelId": model["id"]}).status_code == 201
        body = {"modelIds": [model["id"]], "name": "My GenAI App"}
        key = http.post("/api/v1/api-keys", json=body).json()["key"]
        gateway = http.get("/api/v1/config").json()["litellmApiUrl"]
    question = {"model": model["id"], "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{gateway}/v1/chat/completions", json=question, headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
