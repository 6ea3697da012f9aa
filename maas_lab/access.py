"""What leads to what runs in a cluster: addresses of Routes, values of Secrets, a namespace of one's own."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from maas_lab.errors import NotFound
from maas_lab.keys import ApiKey
from maas_lab.objects import condition

_KEYS = ("VLLM_API_KEY", "LLAMA_API_KEY")  # the variables from which the engines take the key that they want
_LONGEST = 24  # the name of a Route and that of its namespace together are one part of a host, of 63 letters at most


def route_url(route: Mapping[str, Any]) -> str:
    """Return the address of a Route that a router has admitted, without a slash at its end.

    Raises:
        NotFound: none has.
    """
    name, spec = route["metadata"]["name"], route.get("spec") or {}
    ingress = (route.get("status") or {}).get("ingress") or []
    told = {one.get("host"): condition({"status": one}, "Admitted") or {} for one in ingress}
    host = next((host for host, admitted in told.items() if admitted.get("status") == "True"), None)
    if host is None:
        why = (
            "; ".join(filter(None, (admitted.get("message") for admitted in told.values()))) or "no router has seen it"
        )
        raise NotFound(f"the Route {name} has no address yet", why, f"cluster.describe('Route', {name!r}) shows it")
    path = (spec.get("path") or "").rstrip("/")
    scheme = "http" if spec.get("tls") is None else "https"
    return f"{scheme}://{host}{path}"


def secret(body: Mapping[str, Any], key: str) -> ApiKey:
    """Return one value of a Secret as a key that never shows itself.

    Raises:
        NotFound: it has no such key.
    """
    name, data = body["metadata"]["name"], body.get("data") or {}
    if key not in data:
        hint = f"it has: {', '.join(sorted(data)) or 'nothing'}"
        raise NotFound(f"the Secret {name} has no key `{key}`", hint=hint)
    return ApiKey(base64.b64decode(data[key]).decode(), f"{key} of {name}")


def serving_url(service: Mapping[str, Any]) -> str:
    """Return the address that an InferenceService has: a Route's where it is exposed, else one inside the cluster.

    Raises:
        NotFound: it has none yet.
    """
    name, url = service["metadata"]["name"], (service.get("status") or {}).get("url")
    if not url:
        hint = f"cluster.describe('InferenceService', {name!r}) says what it waits for"
        raise NotFound(f"the model server {name} has no address yet", "it is not ready", hint)
    return url


def serving_runtime(service: Mapping[str, Any]) -> str:
    """Return the name of the ServingRuntime that serves an InferenceService; empty when none does yet."""
    named = service["spec"]["predictor"].get("model", {}).get("runtime")
    return named or (service.get("status") or {}).get("servingRuntimeName") or ""


def serving_key(service: Mapping[str, Any], runtime: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return which Secret and which of its keys hold the key that a model server wants; None where it wants none.

    Args:
        service: the InferenceService, whose own variables come before those of the recipe.
        runtime: its ServingRuntime.
    """
    own = service["spec"]["predictor"].get("model", {}).get("env") or []
    recipe = [one for container in runtime["spec"]["containers"] for one in container.get("env") or []]
    for one in [*own, *recipe]:
        source = (one.get("valueFrom") or {}).get("secretKeyRef")
        if one["name"] in _KEYS and source:
            return source["name"], source["key"]
    return None


def own_namespace(prefix: str, user: str) -> str:
    """Return a namespace's name made of a prefix and of a user's name; users whose names look alike get different ones.

    Args:
        prefix: e.g. `maas-lab-02`.
        user: as the cluster knows them, e.g. `system:serviceaccount:team:default`.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-")
    if plain != user or len(plain) > _LONGEST:
        digest = hashlib.sha256(user.encode()).hexdigest()[:5]
        plain = f"{plain[-(_LONGEST - 6) :].strip('-')}-{digest}".strip("-")
    return f"{prefix}-{plain}"
