"""What a learner was given, kept as a Secret in their own namespace: so a second run gives the same again."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from maas_lab.classroom.learners import Learner
from maas_lab.classroom.rooms import KEPT
from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound
from maas_lab.keys import ApiKey
from maas_lab.objects import Hidden

LOGIN, PASSWORD, KEY, TOKEN, ENDS = "login", "password", "gateway-key", "token", "token-ends"


@dataclass(frozen=True)
class Kept:
    """What a learner was given.

    Attributes:
        learner: who.
        password: for the cluster's login; None where people bring their own.
        key: of the gateway; None before it is made, as all that follows.
        token: of the cluster.
        ends: when the token does, UTC.
    """

    learner: Learner
    password: ApiKey | None = None
    key: ApiKey | None = None
    token: ApiKey | None = None
    ends: datetime | None = None

    @property
    def has_token(self) -> bool:
        """Whether the token still opens something."""
        return bool(self.token and self.ends and self.ends > datetime.now(UTC))


def read(cluster: Cluster, learner: Learner) -> Kept:
    """Return what is kept for a learner, nothing where there is no Secret yet."""
    try:
        data = cluster.get("Secret", KEPT, learner.namespace).get("data") or {}
    except NotFound:
        data = {}
    text = {name: base64.b64decode(value).decode() for name, value in data.items()}
    found = {name: ApiKey(text[name], name) if text.get(name) else None for name in (PASSWORD, KEY, TOKEN)}
    ends = datetime.fromisoformat(text[ENDS]) if text.get(ENDS) else None
    return Kept(learner, found[PASSWORD], found[KEY], found[TOKEN], ends)


def write(cluster: Cluster, kept: Kept) -> None:
    """Keep what a learner was given."""
    secrets = {PASSWORD: kept.password, KEY: kept.key, TOKEN: kept.token}
    values = {LOGIN: kept.learner.login} | {name: one.reveal() for name, one in secrets.items() if one}
    if kept.ends:
        values[ENDS] = kept.ends.isoformat()
    metadata = {"name": KEPT, "namespace": kept.learner.namespace, "labels": kept.learner.labels}
    data = Hidden({name: base64.b64encode(value.encode()).decode() for name, value in values.items()})
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
    cluster.apply(body, force=True)
