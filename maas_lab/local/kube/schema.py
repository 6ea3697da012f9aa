"""Know the fields of every served kind: their types, merge keys, list kinds and Go names.

The definitions come from the package kubernetes-validate (runtime environment) and, for custom kinds, from `custom`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from maas_lab.local.kube import custom, decoding, defaults
from maas_lab.local.kube.default_values import KEY_DEFAULTS
from maas_lab.local.kube.kinds import Kind

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SPECIAL = {
    "Quantity": "quantity",
    "IntOrString": "intstr",
    "Time": "time",
    "MicroTime": "time",
    "FieldsV1": "any",
    "RawExtension": "any",
    "JSON": "any",
}


class Node:
    """One type: a struct, a map, a list or a scalar.

    Attributes:
        raw: its JSON schema, references resolved.
        name: the Go struct's name, e.g. `DeploymentSpec`; empty where it is written in place.
        form: `struct`, `map`, `list`, `any`, or a scalar: `string`, `bytes`, `integer`, `number`, `boolean`,
            `quantity`, `intstr`, `time`.
    """

    def __init__(self, schemas: Schemas, raw: dict[str, Any], full_name: str = "") -> None:
        self.raw, self.full_name, self._schemas = raw, full_name, schemas
        self.name = full_name.rpartition(".")[2]
        self.form = _SPECIAL.get(self.name) or _form(raw)

    @cached_property
    def fields(self) -> dict[str, Node]:
        """Return a struct's fields."""
        return {name: self._schemas.node(raw) for name, raw in self.raw.get("properties", {}).items()}

    @cached_property
    def items(self) -> Node | None:
        """Return the type of a list's or map's elements."""
        raw = self.raw.get("items") if self.form == "list" else self.raw.get("additionalProperties")
        return self._schemas.node(raw) if isinstance(raw, dict) else None

    def child(self, name: str) -> Node | None:
        """Return the type of a field of a struct or of a value of a map, None where there is none."""
        return self.fields.get(name) if self.form == "struct" else self.items

    @cached_property
    def open(self) -> bool:
        """Whether fields that are not listed are kept."""
        return self.form == "any" or bool(self.raw.get("x-kubernetes-preserve-unknown-fields"))

    @cached_property
    def atomic(self) -> bool:
        """Whether one manager owns all of it."""
        if self.form == "list":
            return self.raw.get("x-kubernetes-list-type", "atomic") == "atomic"
        return self.form in ("struct", "map") and self.raw.get("x-kubernetes-map-type") == "atomic"

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return the fields that tell the elements of an associative list apart."""
        return tuple(self.raw.get("x-kubernetes-list-map-keys", ()))

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Return the fields that must be there."""
        return tuple(self.raw.get("required", ()))

    @cached_property
    def key_defaults(self) -> dict[str, Any]:
        """Return what the list keys of an element are where it does not say, e.g. protocol TCP."""
        told = {name: field.raw["default"] for name, field in self.fields.items() if "default" in field.raw}
        return {**told, **KEY_DEFAULTS.get(self.name, {})}

    @cached_property
    def merge_key(self) -> str:
        """Return the field by which a strategic merge matches list elements."""
        return self.raw.get("x-kubernetes-patch-merge-key", "")

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """Return how a strategic merge treats the field: `merge`, `replace`, `retainKeys`."""
        return tuple(self.raw.get("x-kubernetes-patch-strategy", "").split(","))


def _form(raw: dict[str, Any]) -> str:
    kinds = raw.get("type")
    kind = next((one for one in kinds if one != "null"), "") if isinstance(kinds, list) else kinds
    if raw.get("x-kubernetes-int-or-string"):
        return "intstr"
    if kind == "array":
        return "list"
    if raw.get("properties"):
        return "struct"
    if kind == "object":
        return "map" if isinstance(raw.get("additionalProperties"), dict) else "any"
    if kind == "string":
        return "bytes" if raw.get("format") == "byte" else "string"
    return kind or "any"


class Schemas:
    """The types of all kinds, and what an API server does with them: decode and default."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions = {**definitions, **custom.definitions(definitions)}
        self._nodes: dict[str, Node] = {}
        self._names = dict(self._by_kind())

    def _by_kind(self) -> Iterator[tuple[tuple[str, str, str], str]]:
        for name, raw in self.definitions.items():
            for one in raw.get("x-kubernetes-group-version-kind", ()):
                yield (one["group"], one["version"], one["kind"]), name

    def name(self, kind: Kind) -> str:
        """Return the name of a kind's definition, empty where it has none."""
        return self._names.get((kind.group, kind.version, kind.kind), "")

    def root(self, kind: Kind) -> Node:
        """Return a kind's type; one without a definition keeps everything."""
        if name := self.name(kind):
            return self.node({"$ref": name})
        raw = {"properties": {"metadata": {"$ref": _META}}, "x-kubernetes-preserve-unknown-fields": True}
        return Node(self, raw, kind.kind)

    def node(self, raw: dict[str, Any]) -> Node:
        """Return the type that a JSON schema describes."""
        if "$ref" not in raw:
            return Node(self, raw)
        name = raw["$ref"].rpartition("/")[2]
        more = {key: value for key, value in raw.items() if key not in ("$ref", "description")}
        if more:
            return Node(self, {**self.definitions[name], **more}, name)
        if name not in self._nodes:
            self._nodes[name] = Node(self, self.definitions[name], name)
        return self._nodes[name]

    def decode(self, kind: Kind, obj: Any, field_validation: str = "Warn") -> tuple[dict[str, Any], list[str]]:
        """Return an object as its Go type would hold it, and warnings; what the type does not know is left out.

        Args:
            kind: what the object should be.
            obj: as it was parsed; an object with the attribute `twice` tells which of its names came twice.
            field_validation: `Strict`, `Warn` or `Ignore`: what happens about unknown and duplicate fields.

        Raises:
            ApiError: 400, in the words of the API server.
        """
        return decoding.decode(self.root(kind), kind, obj, field_validation or "Warn")

    def default(self, kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
        """Return a decoded object with the defaults that an API server fills in, quantities canonical."""
        return defaults.default(self.root(kind), kind, obj)


def load(path: str | Path) -> Schemas:
    """Read `_definitions.json` of kubernetes-validate."""
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    return Schemas(told.get("$defs") or told["definitions"])
