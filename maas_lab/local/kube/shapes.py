"""Write down the types of custom kinds in few words: each function returns a piece of an OpenAPI schema."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
CORE = "io.k8s.api.core.v1."
TEXT: Schema = {"type": "string"}
YES_NO: Schema = {"type": "boolean"}
INT32: Schema = {"type": "integer", "format": "int32"}
INT64: Schema = {"type": "integer", "format": "int64"}
TIME: Schema = {"type": "string", "format": "date-time"}
INT_OR_TEXT: Schema = {"x-kubernetes-int-or-string": True}
OPEN: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}


def core(name: str) -> Schema:
    """Return a reference to one of the pod's own types."""
    return {"$ref": CORE + name}


def struct(required: str = "", **properties: Schema) -> Schema:
    """Return an object with these fields; `required` names some of them, with spaces between."""
    told: Schema = {"type": "object", "properties": properties}
    return {**told, "required": required.split()} if required else told


def many(items: Schema, *keys: str) -> Schema:
    """Return a list; with keys, its entries are told apart by them."""
    told: Schema = {"type": "array", "items": items}
    return {**told, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else told


def choice(*values: str, **more: Any) -> Schema:
    """Return a text that must be one of these."""
    return {"type": "string", "enum": list(values), **more}
