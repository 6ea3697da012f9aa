"""The provider's exercises: manifests, pods and their events, the model, the gate, and a repair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from maas_lab.checks.exercise import Exercise
from maas_lab.client import Reply
from maas_lab.errors import Rejected, TookTooLong
from maas_lab.manifests import render
from maas_lab.objects import condition

if TYPE_CHECKING:
    from maas_lab.gateway import Gateway
    from maas_lab.lab import Lab
    from maas_lab.objects import KubeObject
    from maas_lab.rows import SpendRow

GATEWAY = "litellm"
CULPRIT = "PROXY_BATCH_WRITE_AT"
LIFE = ("Scheduled", "Created", "Started")  # what every pod goes through, as the reasons of its events


def route(lab: Lab, namespace: str, friendly: Mapping[str, Any]) -> None:
    """Check exercise 2.1: the cluster accepts the Route, and it leads to the gateway."""
    exercise = Exercise(
        "2.1",
        "Complete a manifest",
        (
            "two things are wrong in the draft: one is in the error, the other is the name after `to`",
            "`port` instead of `ports`, and the Service that the overlay's own Route leads to: `litellm`",
            'spec: {**given["spec"], "to": {"kind": "Service", "name": "litellm"}, "port": {"targetPort": "http"}}',
        ),
    )
    exercise.filled(friendly=friendly)
    body = friendly if isinstance(friendly, Mapping) else {}
    metadata = body.get("metadata") if isinstance(body.get("metadata"), Mapping) else {}
    if (body.get("kind"), metadata.get("name")) != ("Route", "models"):
        exercise.wrong("this is not a Route with the name `models`")
    try:
        lab.cluster.apply(friendly, namespace, dry_run=True)
    except Rejected as error:
        exercise.wrong("the cluster does not take your Route", error.why)
    objects = render(lab.overlay("infrastructure"))
    services = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Service"}
    spec = friendly["spec"]
    if (leads_to := spec["to"]["name"]) not in services:
        why = "a dry run checks the form of an object, not whether what it names exists"
        exercise.wrong(f"it leads to the Service `{leads_to}`, and the platform has no such Service", why)
    if leads_to != GATEWAY:
        exercise.wrong(f"it leads to `{leads_to}`, and that is not the gateway")
    ports = {value for port in services[GATEWAY]["spec"]["ports"] for value in port.values()}
    if (spec.get("port") or {}).get("targetPort") not in ports:
        exercise.wrong("it names a port that the Service does not have", "look at `port` in the overlay's own Route")
    own = next(one for one in objects if one["kind"] == "Route" and one["metadata"]["name"] == GATEWAY)
    if spec.get("tls") != own["spec"].get("tls"):
        exercise.wrong("its `tls` is not that of the overlay's own Route", "keys would travel in another way")
    exercise.right("the cluster accepts this Route, and it leads to the gateway's Service")


def order(lab: Lab, namespace: str, steps: Iterable[str], first: str) -> None:
    """Check exercise 2.2: the steps of the database's pod, in order, and which pod was Ready first."""
    exercise = Exercise(
        "2.2",
        "Watch the pods",
        (
            'lab.cluster.events(namespace, of="pod/postgres-0") has a row per event, the oldest first',
            "take the `reason` of each of them; and `first` is the workload that the other one needs to start",
            'steps = [event.reason for event in lab.cluster.events(namespace, of="pod/postgres-0")];'
            ' first = "postgres"',
        ),
    )
    exercise.filled(steps=steps, first=first)
    told = [row.reason for row in lab.cluster.events(namespace, of="pod/postgres-0")]
    given = list(steps) if isinstance(steps, list | tuple) else []
    if not given or any(one not in told for one in given):
        exercise.wrong("`steps` is not the list of the reasons in the pod's events", f"they are: {', '.join(told)}")
    if lacking := [one for one in LIFE if one not in given]:
        exercise.wrong(f"`steps` lacks {lacking[0]}", "take the reasons of all events")
    places = [given.index(one) for one in LIFE]
    if places != sorted(places):
        exercise.wrong("`steps` has them in another order than they happened", "the oldest comes first")
    pods = [pod for pod in lab.cluster.list("Pod", namespace) if pod.name.startswith(("postgres-", "litellm-"))]
    since = {pod.name: (condition(pod, "Ready") or {}).get("lastTransitionTime", "") for pod in pods}
    # Within one second the cluster does not tell; then it was the one that the other needs.
    earliest = min(since, key=lambda name: (since[name], not name.startswith("postgres")))
    if not isinstance(first, str) or first.partition("-")[0] not in ("postgres", "litellm"):
        exercise.wrong(f"`first` is {first!r}", "it is one of two names: postgres, litellm")
    if first.partition("-")[0] != earliest.partition("-")[0]:
        exercise.wrong(f"`first` is {first!r}", "compare the moments in the condition Ready of both pods")
    exercise.right(f"{', '.join(dict.fromkeys(one for one in given if one in LIFE))}; and {first} was Ready first")


def served(lab: Lab, namespace: str, name: str, address: str) -> None:
    """Check exercise 2.3: the name that the model server answers to, and where the gateway must call it."""
    exercise = Exercise(
        "2.3",
        "Serve a model",
        (
            "both stand in the InferenceService: its metadata, and the `address` in its status",
            "the name is that of the object; the OpenAI API begins at /v1 behind the `url` of the address",
            'served, address = service.name, service["status"]["address"]["url"] + "/v1"',
        ),
    )
    exercise.filled(served=name, address=address)
    service = _service(lab, namespace)
    url = service["status"]["address"]["url"]
    if not isinstance(name, str):
        exercise.wrong(f"`served` is a {type(name).__name__}, not text", "asked is its name")
    if name != service.name:
        exercise.wrong(f"`served` is {name!r}", "the runtime puts the name of the InferenceService for {{.Name}}")
    if not isinstance(address, str) or not address.startswith(url):
        exercise.wrong("`address` is not where the InferenceService says it is", "see status.address.url")
    if address.rstrip("/") != f"{url}/v1":
        exercise.wrong("`address` does not end in /v1", "the OpenAI API of a model server begins there")
    exercise.right(f"the server answers to {name}, the name in the catalog, and the gateway knows where")


def gate(lab: Lab, namespace: str, gateway: Gateway, reply: Reply, row: SpendRow) -> None:
    """Check exercise 2.4: the gateway offers the model at a price, and a real completion was booked."""
    exercise = Exercise(
        "2.4",
        "Open the gate",
        (
            "gateway.register_model(name, served=, api_base=, api_key=, input_cost=, output_cost=) offers a model",
            "reply = ask(client, ..., model=served); the row has the reply's id: gateway.spend_row(reply.id)",
            "registered = gateway.register_model(served, served=served, api_base=address,"
            ' api_key=lab.cluster.secret("model-secret", "api-key", namespace),'
            " input_cost=price.input_cost, output_cost=price.output_cost);"
            ' reply = ask(client, "Hello?", model=served); row = gateway.spend_row(reply.id)',
        ),
    )
    exercise.filled(reply=reply, row=row)
    service = _service(lab, namespace)
    offered = [one for one in gateway.models() if one.name == service.name]
    if len(offered) != 1:
        exercise.wrong(f"the gateway offers {len(offered)} models with the name {service.name}", "it should be one")
    model = offered[0]
    if model.served != service.name or not model.api_base.startswith(service["status"]["address"]["url"]):
        exercise.wrong("the gateway looks for the model under another name or address than it has")
    if not (model.input_cost > 0 and model.output_cost > 0):
        exercise.wrong("the model is free of charge", "then nobody can tell who costs what")
    if not isinstance(reply, Reply):
        exercise.wrong(f"`reply` is a {type(reply).__name__}", "it should be what `ask` returns")
    if not reply.completion_tokens:
        exercise.wrong("`reply` is an empty answer", "ask again, and let it answer more than nothing")
    stored = gateway.spend_row(reply.id, timeout=1)
    if not hasattr(row, "request_id"):
        exercise.wrong(f"`row` is a {type(row).__name__}, not a spend row", "the gateway keeps them: gateway.spend_row")
    if row.request_id != reply.id:
        exercise.wrong("`row` belongs to another call", "its request_id is not the id of the reply")
    cost = reply.prompt_tokens * model.input_cost + reply.completion_tokens * model.output_cost
    if stored.total_tokens != reply.total_tokens or abs(stored.cost - cost) > 1e-9 + 1e-6 * cost:
        exercise.wrong("the row has other tokens or another cost than the answer", "report this: bills would be wrong")
    exercise.right("a real completion passed the gateway, and it was booked with its tokens at your price")


def repaired(lab: Lab, namespace: str, culprit: str) -> None:
    """Check exercise 2.5: the variable that was wrong is named, and the gateway is whole again."""
    exercise = Exercise(
        "2.5",
        "Repair it yourself",
        (
            "it crashes; why, say its last words: lab.cluster.logs(stuck.name, namespace, previous=True)",
            "the last line names the mistake, and a line above it the variable that it tried to read as a number",
            f'culprit = "{CULPRIT}"; then apply what was right before: repair = lab.cluster.apply(platform)',
        ),
    )
    exercise.filled(culprit=culprit)
    deployment = lab.cluster.get("Deployment", GATEWAY, namespace)
    env = {one["name"]: one for one in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    if culprit != CULPRIT:
        known = isinstance(culprit, str) and culprit in env
        why = "the gateway reads that one without complaint" if known else "the gateway has no variable of this name"
        exercise.wrong(f"`culprit` is {culprit!r}", why)
    if not (value := env.get(CULPRIT, {}).get("value", "")).isdecimal():
        exercise.wrong(f"you found it, and it is not mended yet: it is still {value!r}")
    try:
        lab.cluster.wait_ready(f"deployment/{GATEWAY}", timeout=1, namespace=namespace)
    except TookTooLong as error:
        exercise.wrong("the gateway is not whole again", error.why)
    exercise.right("found in the last words of a container that had ended, mended, and no caller noticed")


def _service(lab: Lab, namespace: str) -> KubeObject:
    return lab.cluster.get("InferenceService", lab.model, namespace)
