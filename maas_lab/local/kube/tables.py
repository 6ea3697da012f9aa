"""Show objects in the form a client asks for: whole, as a table, or only their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maas_lab.local.kube import bodies, columns
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import not_acceptable
from maas_lab.local.kube.store import Key, Object, dump

META = "meta.k8s.io"
WHOLE, TABLE, METADATA = "whole", "Table", "PartialObjectMetadata"
OFFERED = ("application/json", "application/yaml")
FORMS = {"Table": TABLE, "PartialObjectMetadata": METADATA, "PartialObjectMetadataList": METADATA}
Item = tuple[Key, Object, bytes]


@dataclass(frozen=True)
class Form:
    """How an answer is shown.

    Attributes:
        shape: `whole`, `Table` or `PartialObjectMetadata`.
        version: of the table, `v1` or `v1beta1`.
        yaml: written as YAML instead of JSON.
        include: what the rows of a table carry: `None`, `Metadata` or `Object`.
    """

    shape: str = WHOLE
    version: str = "v1"
    yaml: bool = False
    include: str = "Metadata"


def form(accept: str, include: str = "") -> Form:
    """Return the first form that a client accepts and that there is.

    Raises:
        ApiError: 406, there is none.
    """
    for clause in (accept or "*/*").split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        if media.lower() in ("application/yaml", "*/yaml") and "as" not in parameters:
            return Form(yaml=True)
        if media.lower() not in (bodies.JSON, "*/*", "application/*"):
            continue
        if "as" not in parameters:
            return Form()
        shape = FORMS.get(parameters["as"])
        if shape and parameters.get("g") == META and parameters.get("v") in ("v1", "v1beta1"):
            return Form(shape, parameters["v"], include=include or "Metadata")
    raise not_acceptable(OFFERED)


def one(kind: Kind, obj: Object, how: Form, *, header: bool = True) -> Object:
    """Return one object in a form; a table without its header for all but the first event of a watch."""
    if how.shape == TABLE:
        return _table(kind, [obj], how, {"resourceVersion": obj["metadata"].get("resourceVersion", "")}, header=header)
    return _partial(obj, how) if how.shape == METADATA else obj


def many(kind: Kind, items: list[Item], how: Form, metadata: dict[str, Any]) -> bytes:
    """Return a list of objects in a form, as JSON text."""
    if how.shape == TABLE:
        return dump(_table(kind, [obj for _, obj, _ in items], how, metadata))
    if how.shape == METADATA:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": f"{META}/{how.version}", "metadata": metadata}
        return dump({**head, "items": [_partial(obj, how) for _, obj, _ in items]})
    head = dump({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata})
    return head[:-1] + b',"items":[' + b",".join(_item(kind, body) for _, _, body in items) + b"]}"


def _item(kind: Kind, body: bytes) -> bytes:
    """Return an object as a list holds it: a kind that is built in is not repeated in every item."""
    prefix = dump({"kind": kind.kind, "apiVersion": kind.api_version})[:-1] + b","
    return body if kind.custom else b"{" + body.removeprefix(prefix) if body.startswith(prefix) else body


def _partial(obj: Object, how: Form) -> Object:
    return {"kind": METADATA, "apiVersion": f"{META}/{how.version}", "metadata": obj["metadata"]}


def _table(kind: Kind, objects: list[Object], how: Form, metadata: dict[str, Any], *, header: bool = True) -> Object:
    shown = columns.of_kind(kind)
    rows = []
    for obj in objects:
        row: Object = {"cells": [column.cell(obj) for column in shown]}
        if kind.kind == "Pod" and (ended := _ended(obj)):
            row["conditions"] = [ended]
        if how.include != "None":
            row["object"] = obj if how.include == "Object" else _partial(obj, how)
        rows.append(row)
    return {
        "kind": TABLE,
        "apiVersion": f"{META}/{how.version}",
        "metadata": metadata,
        "columnDefinitions": [column.as_dict() for column in shown] if header else None,
        "rows": rows,
    }


def _ended(pod: Object) -> Object | None:
    """Return the mark of a pod that has ended, by which kubectl can leave it out."""
    phase = (pod.get("status") or {}).get("phase")
    told = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}.get(phase)
    return {"type": "Completed", "status": "True", "reason": phase, "message": told} if told else None
