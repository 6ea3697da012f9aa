"""The platform's parts before class: what its namespace says of itself, gateway, model and portal."""

from __future__ import annotations

import contextlib
import secrets
import time
from datetime import UTC, datetime

import httpx

from maas_lab import checkup, login
from maas_lab.errors import GatewayError, NotAllowed, NotFound
from maas_lab.portal_rest import USER_AGENT, PortalRest
from maas_lab.preflight import clock
from maas_lab.preflight.room import Room
from maas_lab.preflight.rows import FAIL, OK, WARN, Row
from maas_lab.readiness import state
from maas_lab.refusals import BEHIND
from maas_lab.rest import Rest, is_loopback
from maas_lab.settings import FACTS, NAMESPACE
from maas_lab.tables import Finding

NEEDED = ("gateway-route", "gateway-secret", "gateway-secret-key", "model", "infrastructure-overlay", "models-overlay")
DEPLOYMENTS = ("litellm", "backend", "frontend")  # the gateway, and the portal's two parts
CALL = 5.0  # seconds for the one call of the model
_LIVES = "1m"  # of the key, should nobody delete it


def facts(room: Room) -> list[Row]:
    """Look whether the platform says where everything is."""
    what = f"ConfigMap {FACTS}"
    try:
        found = room.cluster.get("ConfigMap", FACTS, room.namespace).get("data") or {}
    except NotAllowed as error:
        return [Row("platform", what, FAIL, f"{error}: {error.why}", error.hint)]
    except NotFound as error:
        return [Row("platform", what, FAIL, f"there is no platform in {room.namespace}: {error}", _deploy(room))]
    lost = [name for name in NEEDED if not found.get(name)]
    if lost:
        overlay = found.get("infrastructure-overlay") or "infrastructure/overlays/openshift"
        mend = room.repair(f"kubectl apply -k manifests/{overlay}")
        return [Row("platform", what, FAIL, f"it lacks {', '.join(lost)}", mend)]
    return [Row("platform", what, OK, f"whole, in {room.platform.namespace}")]


def _deploy(room: Room) -> str:
    if room.namespace != NAMESPACE:
        return "unset MAAS_LAB_NAMESPACE  # or deploy a platform there: manifests/README.md says how"
    parts = ("infrastructure/overlays/openshift", "models/overlays/openshift-gpu")
    commands = " && ".join(f"kubectl apply -k manifests/{part}" for part in parts)
    return room.repair(f"{commands}  # after manifests/README.md; or say where it is: export MAAS_LAB_NAMESPACE=...")


def pods(room: Room) -> list[Row]:
    """Look whether all pods are ready, and whether anything has been scaled to none."""
    found = checkup.pods(room)
    row = _of("platform", "pods", found, room.repair(f"kubectl get events -n {room.namespace}"))
    return [row, *(_scaled(room, name) for name in DEPLOYMENTS if _is_off(room, name))]


def _is_off(room: Room, name: str) -> bool:
    with contextlib.suppress(NotFound):  # a platform without a portal
        return room.cluster.get("Deployment", name, room.namespace)["spec"].get("replicas") == 0
    return False


def _scaled(room: Room, name: str) -> Row:
    mend = room.repair(f"kubectl scale deployment/{name} --replicas=1 -n {room.namespace}")
    return Row("platform", f"deployment/{name}", FAIL, "it is scaled to 0 pods", mend)


def gateway(room: Room) -> list[Row]:
    """Look at the gateway's version, database and clock, which takes no key."""
    rest = Rest(room.gateway_url, {}, None, 3.0, verify=room.trusted(room.gateway_url))
    try:
        before = datetime.now(UTC)
        answer = rest.once("GET", "/health/readiness")
        after = datetime.now(UTC)
        told = rest.parsed(answer)
    finally:
        rest.close()
    version, database = told.get("litellm_version") or "(its version is not told)", told.get("db") or "not told"
    logs = f"kubectl logs deployment/litellm -n {room.namespace} --tail=20"
    is_well = database == "connected"
    return [
        clock.row("gateway", answer.headers, before, after),
        Row("gateway", "version", OK, f"LiteLLM {version} at {room.gateway_url}"),
        Row("gateway", "database", OK if is_well else FAIL, database, "" if is_well else room.repair(logs)),
    ]


def catalogue(room: Room) -> list[Row]:
    """Look whether the gateway offers the model."""
    return [_of("gateway", "model offered", checkup.gateway(room), "")]


def served(room: Room) -> list[Row]:
    """Look whether the model's InferenceService is ready."""
    found = state(room.cluster.get("InferenceService", room.model, room.namespace))
    mend = room.repair(f"kubectl describe inferenceservice {room.model} -n {room.namespace}")
    return [
        Row("model", "server", OK if found.ready else FAIL, f"{room.model}: {found.text}", "" if found.ready else mend)
    ]


def answers(room: Room) -> list[Row]:
    """Ask the model for one token: through the gateway with a key of its own, else ask its server how it is."""
    try:
        found = room.gateway
    except NotAllowed:
        health = checkup.model(room)
        words = f"{health.seen}; the gateway was not asked: its Secret is not yours to read"
        return [Row("model", "answers", OK if health.ok else FAIL, words, "" if health.ok else _again(room))]
    key = found.create_key(f"preflight-{secrets.token_hex(4)}", models=[room.model], duration=_LIVES)
    asked = {"model": room.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    bearer = {"Authorization": f"Bearer {key.reveal()}"}
    try:
        begun = time.monotonic()
        found.rest.once("POST", "/v1/chat/completions", json=asked, headers=bearer, timeout=CALL)
        seconds = time.monotonic() - begun
    except GatewayError as error:
        words = ": ".join(filter(None, (str(error), error.why)))
        return [Row("model", "answers", FAIL, words, _again(room, error))]
    finally:
        found.delete_key(key)
    words = f"one token through the gateway in {seconds:.1f} s, with a key that was made for it and deleted"
    return [Row("model", "answers", OK, words)]


def _again(room: Room, error: GatewayError | None = None) -> str:
    """Return the command after which the model answers; on this machine a start registers it anew, too."""
    if room.is_local:
        return "./lab down && ./lab up"
    if error and error.what == BEHIND:
        secret = f"kubectl get secret model-secret -n {room.namespace} -o jsonpath='{{.data.api-key}}' | base64 -d"
        return f"{secret}  # register the model anew with this key, at the portal: Models"
    return f"kubectl logs deployment/litellm -n {room.namespace} --tail=20"


def portal(room: Room) -> list[Row]:
    """Begin a login at the portal, without a password, and look whether the OAuth server it names answers."""
    if not room.platform.has_portal:
        return [Row("portal", "reachable", WARN, "this platform has none: learners need keys from you")]
    url = room.platform.portal_url
    options = {"transport": None, "timeout": 3.0, "patience": 0.0}
    door = PortalRest(url, None, verify=room.trusted(url), **options)
    try:
        asked = login.begin(door)
    finally:
        door.close()
    return [Row("portal", "reachable", OK, f"{url} begins a login"), _oauth(room, asked)]


def _oauth(room: Room, asked: httpx.URL) -> Row:
    web = {"verify": room.trusted(str(asked)), "timeout": 3.0, "trust_env": not is_loopback(asked)}
    with httpx.Client(headers={"X-CSRF-Token": "1", "User-Agent": USER_AGENT}, **web) as oauth:
        answer = oauth.get(asked)
    is_well = answer.is_redirect or answer.status_code in (200, 401)
    mend = room.repair("oc get clusteroperator authentication")
    found = f"{asked.host} asks who you are" if is_well else f"{asked.host} answers HTTP {answer.status_code}"
    return Row("portal", "login", OK if is_well else FAIL, found, "" if is_well else mend)


def _of(area: str, what: str, found: Finding, mend: str) -> Row:
    return Row(area, what, OK if found.ok else FAIL, found.seen, "" if found.ok else mend or found.hint)
