"""Give each namespace the cluster's certificate, and each Secret that asks for one a ServiceAccount's lasting token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from maas_lab.local.kube.controllers.client import CONFIG_MAP, NAMESPACE, SECRET, Client
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.store import Change, Key, Object

ROOT = "kube-root-ca.crt"
TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
LIFETIME_S = 10 * 365 * 86400  # a real one never ends
ACCOUNT = of("v1", "ServiceAccount")


class Signer(Protocol):
    """Signs tokens, as `Tokens` does."""

    def for_service_account(self, namespace: str, name: str, uid: str, seconds: int) -> tuple[str, float]:
        """Return a signed token of a ServiceAccount, and when it expires."""


class Credentials:
    """Keeps both as they must be, as the root CA publisher and the token controller do.

    Args:
        client: reads and writes objects.
        tokens: signs.
        authority: the certificate by which the cluster is known, PEM.
    """

    def __init__(self, client: Client, tokens: Signer, authority: str) -> None:
        self._client, self._tokens, self._authority = client, tokens, authority

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield the certificate or the Secrets that a change may have touched."""
        key = change.key
        if key.resource == NAMESPACE.resource:
            yield Key(CONFIG_MAP.resource, key.name, ROOT)
        elif (key.resource == CONFIG_MAP.resource and key.name == ROOT) or key.resource == SECRET.resource:
            yield key
        elif key.resource == ACCOUNT.resource:
            for secret in self._client.list(SECRET, key.namespace):
                if _account(secret) == key.name:
                    yield Key(SECRET.resource, key.namespace, secret["metadata"]["name"])

    def reconcile(self, key: Key) -> float | None:
        """Write one of them if it is not as it must be."""
        namespace = self._client.get(NAMESPACE, "", key.namespace)
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return None
        if key.resource == CONFIG_MAP.resource:
            self._publish(key)
        elif secret := self._client.get(SECRET, key.namespace, key.name):
            self._fill(key, secret)
        return None

    def _publish(self, key: Key) -> None:
        known, data = self._client.get(CONFIG_MAP, key.namespace, ROOT), {"ca.crt": self._authority}
        if known is None:
            self._client.create(CONFIG_MAP, {"metadata": {"name": ROOT, "namespace": key.namespace}, "data": data})
        elif known.get("data") != data:
            self._client.update(CONFIG_MAP, {**known, "data": data})

    def _fill(self, key: Key, secret: Object) -> None:
        account = self._client.get(ACCOUNT, key.namespace, _account(secret) or "")
        if account is None:
            return
        uid, annotations = account["metadata"]["uid"], secret["metadata"]["annotations"]
        if annotations.get(UID) == uid and "token" in (secret.get("data") or {}):
            return
        token, _ = self._tokens.for_service_account(key.namespace, account["metadata"]["name"], uid, LIFETIME_S)
        told = {"token": token, "ca.crt": self._authority, "namespace": key.namespace}
        metadata = {**secret["metadata"], "annotations": {**annotations, UID: uid}}
        self._client.update(SECRET, {**secret, "metadata": metadata, "stringData": told})


def _account(secret: Object) -> str | None:
    """Return the name of the ServiceAccount whose token a Secret asks for, None if it asks for none."""
    if secret.get("type") != TYPE:
        return None
    return (secret["metadata"].get("annotations") or {}).get(NAME)
