"""The challenge's exercises: six repairs, seen from what people meet, and the post-mortem.

Reading on would spoil the challenge. A repair that only makes the symptom go away is refused, with the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maas_lab import endpoints
from maas_lab.amounts import dollars
from maas_lab.challenge import building, postmortem
from maas_lab.challenge.tickets import (
    DOOR,
    GATEWAY,
    HELP_DESK,
    NEW,
    NIGHT,
    REPORT,
    SETTING,
    TRAINEES,
    TRANSLATION,
    TRIAL,
)
from maas_lab.checks.exercise import Exercise
from maas_lab.checks.repair import Repair
from maas_lab.errors import BudgetExceeded, GatewayError, NotFound, RateLimited
from maas_lab.readiness import state

if TYPE_CHECKING:
    from maas_lab.lab import Lab

OWN = ("app.kubernetes.io/name", GATEWAY)  # the label by which the gateway's own Service finds its pods


def selected(lab: Lab, label: str) -> None:
    """Check exercise 6.1: pods answer behind the friendly address again, for whoever calls it."""
    with Repair(
        lab,
        1,
        (
            "a Route leads to a Service, and that to pods: lab.cluster.describe('Service', 'models', namespace)",
            "compare the Service's `selector` with the labels of the gateway's pods, or with the Service `litellm`",
            'label = service["spec"]["selector"]["app.kubernetes.io/name"]; then apply it with "litellm" in that place',
        ),
    ) as repair:
        repair.exercise.filled(label=label)
        repair.must_match(
            "label", label, repair.plan.label, "the Service looked for another value when the shift began"
        )
        cluster, namespace = repair.platform.cluster, repair.platform.namespace
        leads_to = cluster.get("Route", DOOR, namespace)["spec"]["to"]["name"]
        if leads_to != DOOR:
            why = "whoever calls the Service inside the cluster still finds nobody"
            repair.wrong(f"the Route leads past the Service, to `{leads_to}`", why)
        selector = _service(repair)["spec"].get("selector") or {}
        if selector.get(OWN[0]) != OWN[1]:
            repair.wrong("the Service does not select the gateway by its name", f"it selects {json.dumps(selector)}")
        if "pod-template-hash" in selector:
            repair.wrong("the Service selects one version of the gateway", "the next change would leave it empty again")
        try:
            endpoints.address(cluster, DOOR, namespace)
        except NotFound:
            repair.wrong("no pod that is ready answers for the Service", f"it selects {json.dumps(selector)}")
        repair.must_be_served(HELP_DESK)
        repair.right(
            f"the Service looked for the name `{label}`",
            "pods stand behind the Service again, and the help desk is answered",
        )


def rolled_out(lab: Lab, port: int) -> None:
    """Check exercise 6.2: the change of Friday has arrived, and the probe still guards the gateway."""
    with Repair(
        lab,
        2,
        (
            "two pods of the gateway are there, and one is not Ready: read its events",
            "the events name the address that the readiness probe asks; compare its port with the container's",
            'render the overlay with a patch that sets PROXY_BATCH_WRITE_AT to "1", as lesson 02 did, and apply its '
            "Deployment: the probe is right in the folder",
        ),
    ) as repair:
        repair.exercise.filled(port=port)
        repair.must_match("port", port, repair.plan.port, "that is not where the probe asked when the shift began")
        deployment = repair.platform.cluster.get("Deployment", GATEWAY, repair.platform.namespace)
        if (value := building.setting_of(deployment)) != NEW:
            repair.wrong(
                f"{SETTING} is {value!r} again", "the rollout ends, and the change that people wait for is lost"
            )
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        asked = (container.get("readinessProbe") or {}).get("httpGet") or {}
        if asked.get("path") != "/health/readiness":
            why = "without it a gateway that has lost its database would get calls, and the next bad change all of them"
            repair.wrong("the readiness probe does not ask /health/readiness any more", why)
        if asked.get("port") not in ("http", container["ports"][0]["containerPort"]):
            repair.wrong(f"the readiness probe asks port {asked.get('port')}", "the gateway does not listen there")
        if (deployment["spec"]["strategy"].get("rollingUpdate") or {}).get("maxUnavailable") not in (0, "0", "0%"):
            repair.wrong("the gateway may be unavailable during a change now", "then the next one costs calls")
        is_ready, text = state(deployment)
        if not is_ready:
            repair.wrong("the change has not arrived yet", f"Deployment {GATEWAY}: {text}")
        repair.right(
            f"the readiness probe asked port {port}",
            "Friday's change has arrived, and the probe guards it",
        )


def offered(lab: Lab, alias: str) -> None:
    """Check exercise 6.3: the offer that people ask for is in the catalogue, once, at the agreed price."""
    with Repair(
        lab,
        3,
        (
            "compare the names in gateway.models() with those in lab.challenge.offers",
            "one name is in the catalogue and not in the list: somebody has registered the offer under it",
            "register the offer under the name of the list, with gateway.register_model(...) and its price, then "
            "gateway.delete_model(alias)",
        ),
    ) as repair:
        repair.exercise.filled(alias=alias)
        wanted = repair.platform.model + repair.plan.alias
        repair.must_match("alias", alias, wanted, "nobody has registered anything under that name by mistake")
        repair.must_be_listed(NIGHT)
        if any(one.name == wanted for one in repair.platform.gateway.models()):
            repair.wrong(f"`{wanted}` is still in the catalogue", "two names for one offer are two lines on every bill")
        repair.must_keep_its_key(REPORT)
        repair.must_be_served(REPORT)
        repair.right(
            f"the offer stood there as `{alias}`", "the nightly report finds its offer again, at the agreed price"
        )


def trusted(lab: Lab, stale: Iterable[str]) -> None:
    """Check exercise 6.4: the gateway sends the key that the model server wants, for every offer."""
    with Repair(
        lab,
        4,
        (
            "whose 401 is it? lab.challenge.reproduce(4) raises it with its words; the same key works elsewhere",
            "the gateway has a key for the model server with each offer; a row tells its `fingerprint`, the first 16 "
            "characters of the key's hash",
            'key = cluster.secret("model-secret", "api-key", namespace); the rows whose fingerprint is not '
            "key.hash[:16] are stale: register them again with that key",
        ),
    ) as repair:
        repair.exercise.filled(stale=stale)
        wanted = [repair.offer(TRIAL).name]
        found = list(stale) if isinstance(stale, list | tuple | set) else stale
        repair.must_match(
            "stale", found, wanted, "a list of the offers with another key than the model server's was asked"
        )
        right = building.serving_key(repair.platform).hash[:16]
        repair.must_be_listed(TRIAL)
        for row in repair.platform.gateway.models():
            if row.fingerprint != right:
                why = "register it again with the key of the secret; a server without a key would answer everybody"
                repair.wrong(f"the gateway does not send the model server's key for {row.name}", why)
        repair.must_keep_its_key(TRAINEES)
        repair.must_be_served(TRAINEES)
        repair.right(
            f"an old key of the model server, for {wanted[0]}",
            "their key was always right, and now the gateway's is, too",
        )


def topped_up(lab: Lab, cap: float) -> None:
    """Check exercise 6.5: customers are served again, under a cap that finance has agreed to."""
    with Repair(
        lab,
        5,
        (
            "lab.challenge.reproduce(5) says what is used up; caps.state(gateway) shows by whom, and how much",
            "the ticket says how much there may be in all; `cap` must be more than is spent, and no more than that",
            "gateway.update_key(gateway.keys(application='Translation desk')[0].hash, max_budget=cap)",
        ),
    ) as repair:
        repair.exercise.filled(cap=cap)
        answer, approved = repair.exercise.as_number("cap", cap), repair.challenge.approved
        known = repair.must_keep_its_key(TRANSLATION)
        if known.max_budget is None or not math.isfinite(known.max_budget):
            repair.wrong("the translation desk has no cap any more", "finance has agreed to a sum, not to everything")
        if not math.isclose(answer, known.max_budget, rel_tol=1e-9):
            repair.wrong(f"`cap` is {answer:g}, and the gateway has {known.max_budget:g}", "set the one that you name")
        if known.max_budget > approved * (1 + 1e-9):
            repair.wrong(f"the cap is {dollars(known.max_budget)}", f"finance has agreed to {dollars(approved)} in all")
        repair.must_be_served(TRANSLATION)
        repair.right(f"its cap was reached; it is {dollars(cap)} now", "customers are served, and the cap is still one")


def contained(lab: Lab, runaway: str) -> None:
    """Check exercise 6.6: the spender is stopped, nobody else is, and its owner can go on on Thursday."""
    with Repair(
        lab,
        6,
        (
            "platform.usage.summary(usage.last(hours=1), by='application') has a row for each: who uses most?",
            "a rate limit makes it slower; a cap at what it has spent stops it, and so does gateway.block_key(...)",
            "key = gateway.keys(application=runaway)[0]; gateway.update_key(key.hash, max_budget=key.spend)",
        ),
    ) as repair:
        repair.exercise.filled(runaway=runaway)
        repair.must_match(
            "runaway", runaway, repair.plan.runaway.name, "it uses less than another one, and does not grow"
        )
        repair.must_keep_its_key(repair.plan.runaway)
        how = _stopped(repair)
        repair.must_be_served(repair.plan.witness)
        repair.right(
            f"it was the {runaway}; it is {how}",
            f"the spender is {how}, others are served, and its key is kept",
        )


def post_mortem(lab: Lab, path: str | Path) -> None:
    """Check exercise 6.7: the post-mortem holds all that was measured, whatever else you have written into it."""
    exercise = Exercise(
        "6.7",
        "Write the post-mortem",
        (
            "lab.challenge.post_mortem(file) writes it, and returns its path; close all tickets before",
            "what was measured stays in the file; write your own words around it",
            "post_mortem = lab.challenge.post_mortem(post_mortem_file)",
        ),
    )
    exercise.filled(post_mortem=path)
    if not isinstance(path, str | Path) or not (file := Path(path)).is_file():
        exercise.wrong(f"`post_mortem` is {path!r}, and there is no such file", "it is written beside this notebook")
    missing = postmortem.gaps(file.read_text(encoding="utf-8"), lab.challenge.shift())
    if missing:
        exercise.wrong(f"{file.name} lacks what was measured", "\n".join(missing))
    exercise.right("all that was measured is in it, and the rest is yours to fill in")


def _service(repair: Repair) -> Any:
    try:
        return repair.platform.cluster.get("Service", DOOR, repair.platform.namespace)
    except NotFound:
        why = 'the Route leads to it: apply it again, with its selector and with service["spec"]["ports"]'
        repair.wrong(f"there is no Service `{DOOR}` any more", why)


def _stopped(repair: Repair) -> str:
    """Return how the runaway is stopped: a real call of it must be refused, and for good."""
    application = repair.plan.runaway
    try:
        building.call(repair.platform, application, max_tokens=1)
    except BudgetExceeded:
        return "capped"
    except RateLimited as error:
        return repair.wrong("the spender is only slower", f"{error.what}: in the next minute it goes on spending")
    except GatewayError as error:
        if repair.platform.gateway.key_info(repair.challenge.keys[application.name]).blocked:
            return "blocked"
        return repair.wrong("the spender gets no answer, and that is no decision about its spending", error.what)
    return repair.wrong("the spender's next call was answered", "it goes on spending")
