"""List objects: filtered, in pages, now or as they were."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from maas_lab.local.kube import queries, tables
from maas_lab.local.kube.lifecycle import Target
from maas_lab.local.kube.selectors import Test
from maas_lab.local.kube.status import ApiError, Cause, bad_request, details, invalid_named
from maas_lab.local.kube.store import Key, Store

MATCHES = ("", "Exact", "NotOlderThan")


def answer(store: Store, target: Target, test: Test, form: tables.Form, query: Mapping[str, str]) -> bytes:
    """Return a list as JSON text.

    Raises:
        ApiError: the query is wrong, or asks for what is forgotten or has not happened yet.
    """
    limit, version = queries.integer(query, "limit") or 0, queries.version(query)
    at, after = _position(store, version, limit, query)
    found = [item for item in store.list(target.kind, target.namespace, at) if test(item[1])]
    if after is not None:
        found = [item for item in found if item[0][1:] > after]
    shown = store.version if at is None else at
    metadata: dict[str, Any] = {"resourceVersion": str(shown)}
    if 0 < limit < len(found):
        left, found = len(found) - limit, found[:limit]
        metadata["continue"] = _token(shown, found[-1][0])
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            metadata["remainingItemCount"] = left
    return tables.many(target.kind, found, form, metadata)


def _position(
    store: Store, version: int | None, limit: int, query: Mapping[str, str]
) -> tuple[int | None, tuple[str, str] | None]:
    """Return at which version to list, and after which object."""
    match = query.get("resourceVersionMatch", "")
    if token := query.get("continue"):
        if version:
            raise bad_request("specifying resource version is not allowed when using continue")
        return _parsed(token)
    if match not in MATCHES:
        told = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise _options("FieldValueNotSupported", told)
    if match and version is None:
        raise _options(
            "FieldValueForbidden", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if match == "Exact" and version == 0:
        told = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise _options("FieldValueForbidden", told)
    if version and version > store.version:
        raise _too_large(version, store.version)
    exact = match == "Exact" or (limit and version and not match)
    return (version if exact else None), None


def _options(type_: str, told: str) -> ApiError:
    return invalid_named(queries.META, "ListOptions", "", [Cause("resourceVersionMatch", type_, told)])


def _too_large(version: int, current: int) -> ApiError:
    message = f"Too large resource version: {version}, current: {current}"
    cause = Cause("", "ResourceVersionTooLarge", "Too large resource version")
    return ApiError(504, "Timeout", message, {**details("", "", "", [cause]), "retryAfterSeconds": 1})


def _token(version: int, key: Key) -> str:
    told = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": [key.namespace, key.name]})
    return base64.urlsafe_b64encode(told.encode()).decode()


def _parsed(token: str) -> tuple[int, tuple[str, str]]:
    try:
        told = json.loads(base64.urlsafe_b64decode(token))
        namespace, name = told["start"]
        return int(told["rv"]), (str(namespace), str(name))
    except (ValueError, TypeError, KeyError) as error:
        raise bad_request("continue key is not valid: take it from the list before, as it is") from error
