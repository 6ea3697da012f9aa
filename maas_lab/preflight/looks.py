"""All looks before class, in their order: first whether there is a cluster, then everything else at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from maas_lab import personas, settings
from maas_lab.api import Api
from maas_lab.cluster import Cluster
from maas_lab.connecting import Choice, place_of
from maas_lab.connection import Connection
from maas_lab.errors import UsageError
from maas_lab.preflight import capacity, clock, environment, people, platform
from maas_lab.preflight.room import Room
from maas_lab.preflight.rows import FAIL, OK, WARN, Report, Row
from maas_lab.preflight.together import Look, Seen, together
from maas_lab.rights import whoami

LIMIT, SLOW = 3.0, 6.0  # seconds: for one look, and for one that asks often or lets the model compute
WHOLE = 9.0  # seconds for everything, so that a room in which nothing answers is seen in under 10
_CAN = "kubectl auth can-i --list"
_LOGIN = "oc login  # or name a kubeconfig: export KUBECONFIG=..."


def examine(chosen: Choice, learners: int = 1, *, namespace: str | None = None, patience: float = 1.0) -> Report:
    """Look at a cluster and its platform, and return a row for everything that a class needs.

    Args:
        chosen: the cluster.
        learners: how many are to work at the same time.
        namespace: of the platform; the one that `connect()` takes, when left out.
        patience: how many times longer than usual to wait for each answer.

    Raises:
        LabError: the cluster, which has just answered, does not any more.
    """
    begun, limit = time.monotonic(), LIMIT * patience
    seen = together([_connection(chosen, limit)], limit)
    if not _is_red(seen):
        with Cluster(chosen.source, timeout=limit) as cluster:
            place = namespace or place_of(cluster, chosen)
            with closing(Room(cluster, place, learners, bool(chosen.machine))) as room:
                # What all others need is asked for once, before they ask at the same time.
                seen += together([Look("platform", "ConfigMap", partial(platform.facts, room), limit)], limit)
                looks = _everything(room, has_platform=not _is_red(seen))
                left = WHOLE * patience - (time.monotonic() - begun)
                seen += together([one._replace(limit=one.limit * patience) for one in looks], left)
    return _report(seen, learners, time.monotonic() - begun)


def not_running(why: str, learners: int) -> Report:
    """Return the report for a local cluster that does not run."""
    return _report([Seen("connection", [Row("connection", "cluster", FAIL, why, "./lab up")], 0.0)], learners, 0.0)


def _report(seen: Sequence[Seen], learners: int, total: float) -> Report:
    seconds: dict[str, float] = {}
    for one in seen:
        seconds[one.area] = max(seconds.get(one.area, 0.0), one.seconds)
    rows = [row for one in seen for row in one.rows]
    order = list(dict.fromkeys(row.area for row in rows))
    return Report(sorted(rows, key=lambda row: order.index(row.area)), learners, seconds, total)


def _is_red(seen: Sequence[Seen]) -> bool:
    return any(row.state == FAIL and row.area in ("connection", "platform") for one in seen for row in one.rows)


def _connection(chosen: Choice, limit: float) -> Look:
    mend = "./lab up" if chosen.machine else _LOGIN
    return Look("connection", "cluster", partial(connection, chosen, limit), limit, mend)


def connection(chosen: Choice, limit: float) -> list[Row]:
    """Look which cluster is meant and why, whether it answers and as whom, and how its clock is."""
    try:
        api = Connection(chosen.source, timeout=limit)
    except UsageError as error:
        return [Row("connection", "cluster", FAIL, f"{error}: {error.why}", error.hint)]
    try:
        api.call("GET", "/version")  # with discovery, whose time is not the clock's
        before = datetime.now(UTC)
        answer = api.call("GET", "/version")
        after = datetime.now(UTC)
        version, user = answer.json()["gitVersion"], whoami(Api(api))
    finally:
        api.close()
    place = "the local cluster, on this machine" if chosen.machine else api.server
    return [
        Row("connection", "credentials", OK, f"{chosen.why}: {source}" if (source := _file(chosen)) else chosen.why),
        Row("connection", "cluster", OK, f"Kubernetes {version} answers {user}: {place}"),
        clock.row("Kubernetes API", answer.headers, before, after),
    ]


def _file(chosen: Choice) -> str:
    return str(chosen.source) if isinstance(chosen.source, Path) and not chosen.machine else ""


def _everything(room: Room, *, has_platform: bool) -> list[Look]:
    looks = [
        Look("CA and proxy", "certificate files", partial(environment.files, room.environment)),
        *(Look("rights", one, partial(people.rights, room, one), SLOW, _CAN) for one in personas.PERSONAS),
    ]
    if not has_platform:
        return [*looks, *(_skipped(one) for one in ("GPU", "model", "gateway", "portal", "quota"))]
    space = room.namespace
    log = f"kubectl logs deployment/litellm -n {space} --tail=20"
    parts: list[tuple[str, str, Callable[[Room], list[Row]], float, str]] = [
        ("CA and proxy", "proxy and certificate", _way, LIMIT, f"kubectl get routes,endpoints -n {space}"),
        ("platform", "pods", platform.pods, LIMIT, f"kubectl get pods -n {space}"),
        ("GPU", room.platform.gpu_resource, capacity.gpus, LIMIT, "kubectl get nodes"),
        ("model", "server", platform.served, LIMIT, f"kubectl get inferenceservices -n {space}"),
        ("model", "answers", platform.answers, SLOW, log),
        ("gateway", "version", platform.gateway, LIMIT, f"kubectl rollout restart deployment/litellm -n {space}"),
        ("gateway", "model offered", platform.catalogue, LIMIT, log),
        ("portal", "reachable", platform.portal, LIMIT, f"kubectl rollout restart deployment/backend -n {space}"),
        ("quota", f"room for {room.learners}", capacity.nodes, LIMIT, "kubectl get nodes"),
        ("quota", "ResourceQuotas", capacity.quotas, LIMIT, "kubectl get resourcequotas -A"),
    ]
    # What runs on this machine comes back by one command.
    named = [(*one, room.repair(mend)) for *one, mend in parts]
    return looks + [Look(area, what, partial(call, room), limit, mend) for area, what, call, limit, mend in named]


def _skipped(area: str) -> Look:
    row = Row(area, area, WARN, "not looked at: first mend what is red above")
    return Look(area, area, lambda: [row])


def _way(room: Room) -> list[Row]:
    """Look at the way to the platform: past the proxy where it must be, and by a certificate that is trusted."""
    url = room.gateway_url
    inside = [f"{room.platform.facts['model']}-predictor.{room.namespace}.svc.cluster.local"]
    return [
        environment.proxies(room.environment, inside, in_cluster=settings.in_cluster() and not room.is_local),
        environment.certificate(url, room.trusted(url), room.namespace),
    ]
