"""Make the platform's Secrets: random values, made once in the cluster; no file holds one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from maas_lab.objects import Hidden, KubeObject


def platform_secrets() -> list[KubeObject]:
    """Make fresh Secrets for database, gateway, model and portal, as `manifests/secrets.sh` prints them.

    Apply them once: new passwords would lock the gateway out of a database that still has the old ones.

    Returns:
        Objects to apply, whose values never show when they are printed.
    """
    return [
        _secret("postgres-secret", username="litemaas_admin", password=_random()),
        _secret(
            "litellm-secret",
            **{"master-key": _key(), "salt-key": _key(), "ui-username": "admin", "ui-password": _random()},
        ),
        _secret("model-secret", **{"api-key": _key()}),
        # An administrator's key without this prefix is never accepted by the portal.
        _secret("backend-secret", **{"jwt-secret": _random(), "admin-api-keys": f"ltm_admin_{_random()}"}),
    ]


def users_secret(passwords: Mapping[str, str]) -> KubeObject:
    """Return the Secret of the lab's users, from which `lab.login` takes their passwords.

    Args:
        passwords: by user.
    """
    return _secret("lab-users", **passwords)


def _random() -> str:
    # 24 bytes in hex: the characters / and + of base64 would break the database's address.
    return secrets.token_hex(24)


def _key() -> str:
    return f"sk-{_random()}"


def _secret(name: str, **values: str) -> KubeObject:
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "maas"}}
    body: Mapping[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": Hidden(values)}
    return KubeObject(body)
