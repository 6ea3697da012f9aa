"""The seam between serving objects and knowing them: schemas, defaults, validation, patches and field ownership."""

from __future__ import annotations

from typing import Any

from maas_lab.local.kube import apply, openapi, patch, protobuf, validation
from maas_lab.local.kube.kinds import KINDS, Kind
from maas_lab.local.kube.schema import Schemas
from maas_lab.local.kube.status import bad_request, invalid

Object = dict[str, Any]


class Rules:
    """What the API knows of its kinds.

    Args:
        schemas: the types of all kinds.
    """

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def decode(self, kind: Kind, obj: Object, field_validation: str) -> tuple[Object, list[str]]:
        """Return an object with only the fields of its schema, and warnings about the others."""
        return self._schemas.decode(kind, obj, field_validation)

    def defaulted(self, kind: Kind, obj: Object) -> Object:
        """Return an object with its defaults."""
        return self._schemas.default(kind, obj)

    def validate(self, kind: Kind, obj: Object, old: Object | None = None) -> Object:
        """Return an object that has nothing wrong with it.

        Raises:
            ApiError: 422; everything that is wrong is told.
        """
        if causes := validation.problems(kind, obj, old, self._schemas):
            raise invalid(kind, obj["metadata"].get("name", ""), causes)
        return obj

    def patched(self, how: str, kind: Kind, obj: Object, change: Any) -> Object:
        """Return an object with a patch applied: `json`, `merge` or `strategic`."""
        if how == "json":
            result = patch.json_patch(obj, change)
        elif how == "merge":
            result = patch.merge_patch(obj, change)
        else:
            result = patch.strategic_merge(self._schemas, kind, obj, change)
        if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
            raise bad_request(f"the patch leaves no {kind.kind}: an object with metadata is needed")
        return result

    def applied(self, kind: Kind, current: Object | None, config: Object, options: Any, part: str, now: str) -> Object:
        """Return an object with a server-side apply done."""
        return apply.server_side_apply(self._schemas, kind, current, config, options.manager, options.force, part, now)

    def tracked(self, kind: Kind, before: Object | None, after: Object, manager: str, part: str, now: str) -> Object:
        """Return an object whose managedFields tell what a create or update set."""
        return apply.track(self._schemas, kind, before, after, manager, "Update", part, now)

    def openapi_index(self) -> Object:
        """Return which OpenAPI documents there are."""
        return openapi.index(KINDS)

    def openapi_document(self, group: str, version: str) -> Object:
        """Return the OpenAPI document of one group and version."""
        return openapi.document(self._schemas, KINDS, group, version)

    def protobuf(self, body: bytes) -> Object:
        """Return the object in a protobuf body."""
        return protobuf.decode(body)
