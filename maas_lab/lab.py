"""`connect()`: find the lab and return it; a lesson never knows which one it got."""

from __future__ import annotations

import openai

from maas_lab import settings
from maas_lab.client import Curl, openai_client
from maas_lab.gateway import Gateway
from maas_lab.keys import ApiKey
from maas_lab.local import LocalCluster


class Lab:
    """A connected lab: its gateway, and the model that the gateway serves.

    Args:
        gateway_url: the gateway's address, without `/v1`.
        admin_key: the gateway's master key.
        model: the name consumers call the model by.
        cluster: what the lab runs on, in words.
    """

    def __init__(self, gateway_url: str, admin_key: str, model: str, cluster: str) -> None:
        self.gateway = Gateway(gateway_url, admin_key)
        self.model, self.cluster = model, cluster

    @property
    def url(self) -> str:
        """The base URL of the OpenAI API, as an SDK wants it."""
        return f"{self.gateway.url}/v1"

    def client(self, key: ApiKey | str) -> openai.OpenAI:
        """Return a stock OpenAI client that calls this gateway with a key."""
        return openai_client(self.url, key)

    def curl(self, key: ApiKey | str, prompt: str, max_tokens: int = 32) -> Curl:
        """Return the curl command that asks the model, as the portal shows it; it prints with the key masked."""
        return Curl(self.url, key, prompt, model=self.model, max_tokens=max_tokens)

    def __repr__(self) -> str:
        gateway = f"LiteLLM {self.gateway.version()} at {self.gateway.url}"
        return f"Lab\n  cluster: {self.cluster}\n  gateway: {gateway}\n  model:   {self.model}"


def connect() -> Lab:
    """Connect to the lab; start the local one when none runs.

    Raises:
        LabError: the local lab cannot be started; the message says what to do.
    """
    settings.never_proxy_loopback()
    cluster = LocalCluster()
    if not cluster.status()["ready"]:
        print("The local lab is not running: starting it (the first time takes about a minute).")
        cluster.up()
    status, secrets = cluster.status(), cluster.secrets()
    return Lab(status["endpoints"]["gateway"], secrets.master_key, status["model"], "local processes on this machine")
