"""Faults to practise on: changes that a well-meaning colleague might make."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from maas_lab.cluster import Cluster

if TYPE_CHECKING:
    import pandas as pd

    from maas_lab.lab import Lab
    from maas_lab.portal import Application, Portal

QUICK_TEST = ("Does this key work?", "And does it work twice?")
FORGOTTEN = "Where do I find the form for a new laptop?"


def plant(cluster: Cluster, platform: Iterable[Mapping[str, Any]]) -> None:
    """Let a colleague change the gateway, so that its new pod crashes; the old one goes on serving.

    Reading on would spoil exercise 2.5.

    Args:
        cluster: where the platform runs.
        platform: the objects of the infrastructure, as they were applied.
    """
    [gateway] = [one for one in platform if one["kind"] == "Deployment" and one["metadata"]["name"] == "litellm"]
    changed = copy.deepcopy(dict(gateway))
    env = {one["name"]: one for one in changed["spec"]["template"]["spec"]["containers"][0]["env"]}
    env["PROXY_BATCH_WRITE_AT"]["value"] += "s"  # "1s" reads well, and the gateway wants a number
    cluster.apply(changed)


def plant_usage(lab: Lab, portal: Portal, chat: Application, agent: Application) -> pd.DataFrame:
    """Let two colleagues call the model in a hurry; every call is real, and so is what is booked for it.

    Reading on would spoil exercise 4.5.

    Args:
        lab: the lab.
        portal: of the user whose applications these are.
        chat: the developer of this one streams an answer with its own key.
        agent: the developer of this one tests with a fresh key, whose name begins with the application's.

    Returns:
        What the two logged: one row per call, the columns of `ask_many(...).frame` and `application`. Where a developer
        was told no tokens, they are missing.
    """
    import pandas as pd

    from maas_lab.client import ask_many

    key = portal.create_key(f"{agent.name}, quick test", [lab.model])  # nobody says what it is for
    tested = ask_many(lab.client(key), QUICK_TEST, model=lab.model, concurrency=1, max_tokens=8, show=False)
    frames = {chat.name: _stream_without_usage(lab, chat), agent.name: tested.frame}
    return pd.concat([frame.assign(application=name) for name, frame in frames.items()], ignore_index=True)


def _stream_without_usage(lab: Lab, application: Application) -> pd.DataFrame:
    """Stream an answer as the SDK does when nobody asks for `include_usage`, and log what came."""
    from maas_lab.traffic import Calls

    started = time.perf_counter()
    messages = [{"role": "user", "content": FORGOTTEN}]
    create = lab.client(application.key).chat.completions.create
    parts = list(create(model=lab.model, messages=messages, max_tokens=16, temperature=0, stream=True))
    text = "".join(choice.delta.content or "" for part in parts for choice in part.choices)
    row = {"prompt": FORGOTTEN, "outcome": "answered", "status": 200, "started_s": started, "text": text}
    return Calls([row | {"seconds": time.perf_counter() - started, "request_id": parts[-1].id}]).frame
