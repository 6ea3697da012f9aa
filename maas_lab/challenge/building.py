"""Build the platform of the challenge, healthy and complete: what the faults are planted into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from maas_lab import wait
from maas_lab.challenge.tickets import APPLICATIONS, DOOR, GATEWAY, SETTING, Application, Offer
from maas_lab.client import ask, openai_client
from maas_lab.cluster import Cluster
from maas_lab.errors import GatewayError, NotFound
from maas_lab.keys import ApiKey
from maas_lab.manifests import render
from maas_lab.objects import Hidden, KubeObject
from maas_lab.secrets import platform_secrets
from maas_lab.settings import FACTS

if TYPE_CHECKING:
    from maas_lab.lab import Lab

Object = dict[str, Any]
_PORTALS = ("portal", "portal-pages")  # nobody needs one here: keys are made at the gateway
_COMPONENT = "app.kubernetes.io/component"
_LABELS = {"app.kubernetes.io/part-of": "maas-lab-challenge"}


def infrastructure(lab: Lab, namespace: str) -> list[Object]:
    """Return the objects of database and gateway, with the friendly address beside the gateway's own."""
    objects = without_portal(render(lab.overlay("infrastructure"), namespace))
    own = {one["kind"]: one for one in objects if one["metadata"]["name"] == GATEWAY}
    return [*objects, door(own["Service"]), route(own["Route"])]


def without_portal(objects: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Leave out all that belongs to the portal, also from what the platform says of itself. Pure."""
    kept = []
    for one in objects:
        name, labels = one["metadata"]["name"], one["metadata"].get("labels") or {}
        if labels.get(_COMPONENT) in _PORTALS or name.startswith("portal-") or name in ("backend", "frontend"):
            continue
        if name == FACTS:
            one = {**one, "data": {key: text for key, text in one["data"].items() if not key.startswith("portal-")}}
        kept.append(dict(one))
    return kept


def door(service: Mapping[str, Any], label: str = GATEWAY) -> Object:
    """Return the Service behind the friendly address. Pure.

    Args:
        service: the gateway's own.
        label: the application's name that it looks for.
    """
    spec = {"selector": {"app.kubernetes.io/name": label}, "ports": service["spec"]["ports"]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _named(service, DOOR), "spec": spec}


def route(given: Mapping[str, Any]) -> Object:
    """Return the Route of the friendly address. Pure."""
    spec = {**given["spec"], "to": {"kind": "Service", "name": DOOR}}
    return {"apiVersion": given["apiVersion"], "kind": "Route", "metadata": _named(given, DOOR), "spec": spec}


def gateway_of(objects: Iterable[Mapping[str, Any]]) -> Object:
    """Return the gateway's Deployment among objects."""
    return next(dict(one) for one in objects if (one["kind"], one["metadata"]["name"]) == ("Deployment", GATEWAY))


def setting_of(body: Mapping[str, Any], name: str = SETTING) -> str:
    """Return a variable of the first container of a workload or a pod; empty when it has none."""
    pod = body["spec"].get("template", body)["spec"]
    return next((one.get("value", "") for one in pod["containers"][0].get("env") or () if one["name"] == name), "")


def build(lab: Lab, namespace: str, patience: float, progress: Callable[[str], object] | None) -> None:
    """Deploy the platform and wait until it is ready; Secrets that are there stay as they are.

    Args:
        lab: the lab that the learner is connected to; its overlays are those of this cluster.
        namespace: which exists.
        patience: seconds to wait for pods at most.
        progress: called with a line whenever something gets on.

    Raises:
        ClusterError: an object is refused.
        TookTooLong: pods do not become ready; says why.
    """
    cluster = lab.cluster
    cluster.apply([one for one in platform_secrets() if not _exists(cluster, one.name, namespace)], namespace)
    objects = [*infrastructure(lab, namespace), *render(lab.overlay("models"), namespace)]
    # By force: an earlier start may have been ended at any point, and others may have tried to help.
    cluster.apply(objects, force=True)
    cluster.wait_ready(objects, patience, progress)


def register(platform: Lab, offers: Iterable[Offer]) -> None:
    """Let the gateway offer what the price list says, all with the key that the model server wants."""
    # The Route leads to the pod a moment after that is Ready.
    wait.until(platform.gateway.version, what="the gateway's Route", timeout=60, transient=(GatewayError,))
    for offer in offers:
        offered(platform, offer, offer.name, serving_key(platform))


def offered(platform: Lab, offer: Offer, name: str, key: ApiKey) -> None:
    """Register a line of the price list under a name, with a key for the model server."""
    costs = {"input_cost": offer.input_cost, "output_cost": offer.output_cost}
    platform.gateway.register_model(name, served=offer.served, api_base=serving(platform), api_key=key, **costs)


def serving(platform: Lab) -> str:
    """Return where the model server's OpenAI API is."""
    service = platform.cluster.get("InferenceService", platform.model, platform.namespace)
    return service["status"]["address"]["url"] + "/v1"


def serving_key(platform: Lab) -> ApiKey:
    """Return the key that the model server wants."""
    return platform.cluster.secret("model-secret", "api-key", platform.namespace)


def hand_out(platform: Lab, prices: Iterable[Offer]) -> dict[str, str]:
    """Give each application a key, in a Secret of its own, and let it call once; return the keys' hashes by name."""
    tiers = {offer.name.removeprefix(platform.model): offer for offer in prices}
    for one in APPLICATIONS:
        # Of a start that was interrupted: its key may be lost, or have no budget left.
        platform.gateway.delete_key(*[known.hash for known in platform.gateway.keys(one.name)])
        options = {"models": [tiers[one.tier].name], "application": one.name, "team": one.team}
        keep(platform, one, platform.gateway.create_key(one.name, **options))
        call(platform, one)
    return {one.name: key_of(platform, one).hash for one in APPLICATIONS}


def keep(platform: Lab, application: Application, key: ApiKey) -> None:
    """Put an application's key into its Secret."""
    metadata = {"name": application.secret, "labels": _LABELS}
    values = Hidden({"api-key": key.reveal()})
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
    platform.cluster.apply(KubeObject(body), platform.namespace, force=True)


def key_of(platform: Lab, application: Application) -> ApiKey:
    """Return the key that an application calls with."""
    return platform.cluster.secret(application.secret, "api-key", platform.namespace)


def client_of(platform: Lab, application: Application) -> Any:
    """Return an OpenAI client as an application has it: with its key, at the address that it was given."""
    address = platform.cluster.route_url(application.route, platform.namespace)
    return openai_client(f"{address}/v1", key_of(platform, application), timeout=30, verify=platform.trusted(address))


def call(platform: Lab, application: Application, max_tokens: int = 4) -> Any:
    """Call as an application does, and return the reply.

    Raises:
        GatewayError: as the application meets it.
    """
    with client_of(platform, application) as client:
        return ask(client, "Say hello.", model=platform.model + application.tier, max_tokens=max_tokens)


def _named(body: Mapping[str, Any], name: str) -> Object:
    return {**{key: value for key, value in body["metadata"].items() if key != "name"}, "name": name}


def _exists(cluster: Cluster, secret: str, namespace: str) -> bool:
    try:
        cluster.get("Secret", secret, namespace)
    except NotFound:
        return False
    return True
