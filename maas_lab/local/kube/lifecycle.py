"""Create, update, patch and scale objects, in the order of steps that a real API server keeps."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from maas_lab.local.kube import bodies, guards, strategy
from maas_lab.local.kube.kinds import Kind, of
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.quota import admission
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.status import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_named,
    not_found,
)
from maas_lab.local.kube.store import Object, Store
from maas_lab.local.kube.texts import ALPHABET, now

NAMESPACE = of("v1", "Namespace")


@dataclass(frozen=True)
class Target:
    """What a request is about.

    Attributes:
        namespace: "" for a cluster-wide kind or all namespaces.
        name: "" for the collection.
        part: the subresource, "" for the object itself.
    """

    kind: Kind
    namespace: str = ""
    name: str = ""
    part: str = ""


@dataclass(frozen=True)
class Written:
    """The result of a write."""

    object: Object
    warnings: tuple[str, ...] = ()
    created: bool = False


class Objects:
    """The writes of the API on one store."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self.store, self.rules = store, rules

    def read(self, target: Target) -> Object:
        """Return an object.

        Raises:
            ApiError: 404.
        """
        found = self.store.get(target.kind, target.namespace, target.name)
        if found is None:
            raise not_found(target.kind, target.name)
        return found

    def create(self, target: Target, body: Object, options: WriteOptions) -> Written:
        """Create an object.

        Raises:
            ApiError: it is not valid, exists already, or its namespace does not take it.
        """
        obj, warnings = self._decoded(target.kind, body, options)
        metadata = self._place(target, obj)
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        self._admit(target, metadata)
        new = self.rules.defaulted(target.kind, _named(target.kind, obj))
        tracked = self.rules.tracked(target.kind, None, new, options.manager, "", now())
        return Written(self._insert(target.kind, tracked, options), warnings, created=True)

    def review(self, kind: Kind, body: Object, options: WriteOptions) -> Object:
        """Return a question as an object, which is answered and not kept.

        Raises:
            ApiError: 400, it is none.
        """
        asked, _ = self._decoded(kind, body, options)
        asked["metadata"] = dict(asked.get("metadata") or {})
        return self.rules.tracked(kind, None, asked, options.manager, "", now())

    def update(self, target: Target, body: Object, options: WriteOptions) -> Written:
        """Replace an object, its status or its scale.

        Raises:
            ApiError: it is not valid, not there, or has been modified meanwhile.
        """
        old = self.read(target)
        if target.part == "scale":
            return self._scaled(target, old, body, options)
        obj, warnings = self._decoded(target.kind, body, options)
        metadata = self._place(target, obj)
        if target.kind.custom and not metadata.get("resourceVersion"):
            told = "Invalid value: 0: must be specified for an update"
            raise invalid(target.kind, target.name, [Cause("metadata.resourceVersion", "FieldValueInvalid", told)])
        return Written(self._replace(target, old, obj, options), warnings)

    def patch(self, target: Target, how: str, change: Any, options: WriteOptions) -> Written:
        """Apply a JSON patch, merge patch or strategic merge patch.

        Raises:
            ApiError: the patch or what it makes is not valid, or the object has been modified meanwhile.
        """
        old = self.read(target)
        if target.part == "scale":
            seen = strategy.scale(old)
            wanted = self.rules.patched("json" if how == "json" else "merge", target.kind, seen, change)
            return self._scaled(target, old, wanted, options)
        patched = self.rules.patched(how, target.kind, old, change)
        try:
            obj, warnings = self._decoded(target.kind, patched, options)
        except ApiError as error:
            raise _refused_patch(patched, error) from error
        self._place(target, obj)
        return Written(self._replace(target, old, obj, options), warnings)

    def apply(self, target: Target, config: Object, options: WriteOptions) -> Written:
        """Apply a configuration on the server's side; create the object where it is missing.

        Raises:
            ApiError: fields are owned by others, or the result is not valid.
        """
        if target.part != "scale":
            bodies.check_type(target.kind, config)
        metadata = config.setdefault("metadata", {})
        if metadata is None or not isinstance(metadata, dict):
            raise bad_request("metadata must be an object")
        if metadata.get("name", target.name) != target.name:
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
            )
        if metadata.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        old = self.store.get(target.kind, target.namespace, target.name)
        if old is None and target.part:
            raise not_found(target.kind, target.name)
        self._place(target, config)
        if old is None:
            return self._applied_new(target, config, options)
        if target.part == "scale":
            config = {**config, "apiVersion": target.kind.api_version, "kind": target.kind.kind}
        applied = self._applied(target, old, config, options)
        kept = self._replace(target, old, applied, options, track=False)
        return Written(strategy.scale(kept) if target.part == "scale" else kept)

    def change(self, kind: Kind, old: Object, edit: Callable[[Object], Object]) -> Object:
        """Change an object from inside, as controllers do, and return what is kept."""
        return self.store.put(kind, edit(old))

    def _applied_new(self, target: Target, config: Object, options: WriteOptions) -> Written:
        if config["metadata"].get("uid") or config["metadata"].get("resourceVersion"):
            raise conflict(target.kind, target.name)
        self._admit(target, config["metadata"])
        config.setdefault("apiVersion", target.kind.api_version)
        config.setdefault("kind", target.kind.kind)
        applied = self._applied(target, None, config, options)
        new = self.rules.defaulted(target.kind, _named(target.kind, applied))
        return Written(self._insert(target.kind, new, options), created=True)

    def _applied(self, target: Target, old: Object | None, config: Object, options: WriteOptions) -> Object:
        """Return what a configuration makes of an object, as clean as one that came whole."""
        applied = self.rules.applied(target.kind, old, config, options, target.part, now())
        return self._decoded(target.kind, applied, replace(options, field_validation="Ignore"))[0]

    def _decoded(self, kind: Kind, body: Object, options: WriteOptions) -> tuple[Object, tuple[str, ...]]:
        bodies.check_type(kind, body)
        obj, warnings = self.rules.decode(kind, body, options.field_validation)
        return {"kind": kind.kind, "apiVersion": kind.api_version, **obj}, tuple(warnings)

    def _place(self, target: Target, obj: Object) -> Object:
        """Make name and namespace of an object those of its path, and return its metadata."""
        metadata = obj["metadata"] = dict(obj.get("metadata") or {})
        named = metadata.get("name") or target.name
        if target.name and named != target.name:
            raise bad_request(f"the name of the object ({named}) does not match the name on the URL ({target.name})")
        if named:
            metadata["name"] = named
        if (metadata.get("namespace") or target.namespace) != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata.pop("namespace", None)
        if target.namespace:
            metadata["namespace"] = target.namespace
        return metadata

    def _admit(self, target: Target, metadata: Object) -> None:
        """Insist on a namespace that takes new objects."""
        if not target.kind.namespaced:
            return
        namespace = self.store.get(NAMESPACE, "", target.namespace)
        if namespace is None:
            raise not_found(NAMESPACE, target.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            ending = Cause(
                "metadata.namespace", "NamespaceTerminating", f"namespace {target.namespace} is being terminated"
            )
            told = f"unable to create new content in namespace {target.namespace} because it is being terminated"
            raise forbidden(target.kind, metadata.get("name", ""), told, [ending])

    def _insert(self, kind: Kind, obj: Object, options: WriteOptions) -> Object:
        """Keep a new object, begun as its kind begins, if it is valid and its name is free."""
        begun = self.rules.validate(kind, strategy.begin(kind, obj, self.store))
        metadata = begun["metadata"]
        if self.store.get(kind, metadata.get("namespace", ""), metadata["name"]) is not None:
            raise already_exists(kind, metadata["name"])
        if options.guard:
            options.guard(kind, begun, None)
        admission.check(self.store, kind, begun)
        return begun if options.dry_run else self.store.put(kind, begun)

    def _replace(
        self, target: Target, old: Object, new: Object, options: WriteOptions, *, track: bool = True
    ) -> Object:
        """Keep a new state of an object, unless nothing has changed."""
        kind, given = target.kind, new["metadata"]
        guards.check_preconditions(kind, old, given)
        new = strategy.prepare_update(kind, old, guards.with_system_fields(old, new), target.part)
        if target.part != "status":
            new = self.rules.validate(kind, self.rules.defaulted(kind, new), old)
        if options.guard:
            options.guard(kind, new, old)
        if not target.part:
            admission.check(self.store, kind, new, old)
        if track:
            new = self.rules.tracked(kind, old, new, options.manager, target.part, now())
        if guards.same(old, new):
            return old
        if strategy.generation_changes(kind, old, new):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if options.dry_run:
            return new
        if strategy.is_finished(new):
            self.store.remove(kind, new)
            return new
        return self.store.put(kind, new)

    def _scaled(self, target: Target, old: Object, wanted: Object, options: WriteOptions) -> Written:
        """Write a Scale back to the object it scales."""
        spec = wanted.get("spec") or {}
        replicas = spec.get("replicas", 0) if isinstance(spec, dict) else None
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            kind = type(replicas).__name__.replace("str", "string").replace("list", "array")
            raise bad_request(
                'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal '
                f"{kind} into Go struct field ScaleSpec.spec.replicas of type int32"
            )
        metadata = {**old["metadata"], **_identity(wanted.get("metadata") or {})}
        new = {**old, "metadata": metadata, "spec": {**old["spec"], "replicas": replicas}}
        kept = self._replace(replace(target, part="scale"), old, new, options)
        return Written(strategy.scale(kept))


def _named(kind: Kind, obj: Object) -> Object:
    """Return a new object with the name, number and time that it is created with."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in guards.SYSTEM}
    if prefix := metadata.get("generateName", ""):
        metadata.setdefault("name", prefix[:58] + "".join(secrets.choice(ALPHABET) for _ in range(5)))
    metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now())
    if strategy.has_generation(kind):
        metadata["generation"] = 1
    return {**obj, "metadata": metadata}


def _identity(metadata: Object) -> Object:
    return {name: metadata[name] for name in ("uid", "resourceVersion") if metadata.get(name)}


def _refused_patch(patched: Object, error: ApiError) -> ApiError:
    """Say what is wrong with what a patch makes, in the form that a real server has for it."""
    if error.code != 400:
        return error
    why = error.status["message"].partition(": ")[2] or error.status["message"]
    shown = json.dumps(json.dumps(patched, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    cause = Cause("patch", "FieldValueInvalid", f"Invalid value: {shown}: {why}")
    return invalid_named("", "", "", [cause])
