"""All about one object as text: what is wanted, how it is, its pods and its events; no age, no secret."""

from __future__ import annotations

from typing import Any

import yaml

from maas_lab.api import Api
from maas_lab.diagnosis import events, pods_of
from maas_lab.kinds import Kind, Ref
from maas_lab.objects import KubeObject, plain, pod_rows
from maas_lab.readiness import state
from maas_lab.tables import Text

# Told elsewhere, or of no use to a reader.
_LEFT_OUT = ("apiVersion", "kind", "metadata", "status")


def describe(api: Api, body: KubeObject) -> Text:
    """Return all about an object."""
    meta = body["metadata"]
    place = Ref(Kind(body["kind"], body["apiVersion"]), body.name, meta.get("namespace", ""))
    parts = [f"{place}: {state(body).text}"]
    parts += [_section(name, meta.get(name)) for name in ("labels", "annotations")]
    parts += [_section(name, body[name]) for name in body if name not in _LEFT_OUT]
    parts.append(_section("conditions", _conditions(body)))
    if body["kind"] != "Pod" and (pods := pods_of(api, body)):
        parts.append(f"pods:\n{_indented(repr(pod_rows(pods)))}")
    parts.append(f"events:\n{_indented(repr(events(api, place.namespace, place)))}")
    return Text("\n".join(filter(None, parts)))


def _section(name: str, value: Any) -> str:
    if not value:
        return ""
    return yaml.safe_dump({name: plain(value)}, sort_keys=False, allow_unicode=True, width=120).rstrip()


def _conditions(body: KubeObject) -> dict[str, str]:
    conditions = (body.get("status") or {}).get("conditions") or []
    return {one["type"]: ": ".join(filter(None, map(one.get, ("status", "reason", "message")))) for one in conditions}


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
