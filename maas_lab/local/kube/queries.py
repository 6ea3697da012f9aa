"""Read the query of a request as an API server written in Go reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import Cause, bad_request, invalid_named

META = "meta.k8s.io"
VALIDATIONS = ("", "Ignore", "Strict", "Warn")


def boolean(query: Mapping[str, str], name: str) -> bool:
    """Return a yes or no: only absence, `false` in any case, and `0` mean no; clients send `True` and `1` too."""
    return name in query and query[name].lower() not in ("false", "0")


def integer(query: Mapping[str, str], name: str) -> int | None:
    """Return a number, None where it is absent.

    Raises:
        ApiError: 400, it is not a number.
    """
    text = query.get(name, "")
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if len(digits) > 18:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def version(query: Mapping[str, str]) -> int | None:
    """Return the resourceVersion asked for, None where it is absent.

    Raises:
        ApiError: 400, it is not one.
    """
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        told = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: {told}")
    return int(text)


@dataclass(frozen=True)
class WriteOptions:
    """How a write is meant.

    Attributes:
        dry_run: answer as if, and keep nothing.
        field_validation: `Strict`, `Warn` or `Ignore` unknown fields.
        manager: who owns the fields that are set, from `fieldManager` or the client's name.
        force: take fields from other managers in a server-side apply.
        guard: looks at what is about to be kept (its kind, its new state, its old one) and may refuse it.
    """

    dry_run: bool = False
    field_validation: str = "Warn"
    manager: str = "unknown"
    force: bool = False
    guard: Callable[[Kind, dict[str, Any], dict[str, Any] | None], None] | None = None


def write_options(kind: str, query: Mapping[str, str], user_agent: str) -> WriteOptions:
    """Return the options of a write.

    Args:
        kind: their name, `CreateOptions`, `UpdateOptions`, `PatchOptions` or `DeleteOptions`.
        query: of the request.
        user_agent: the header; its first word is the manager where the query names none.

    Raises:
        ApiError: 422, an option has a value that there is not.
    """
    causes = []
    dry_run, validation = query.get("dryRun", ""), query.get("fieldValidation", "")
    if dry_run not in ("", "All"):
        told = f'Unsupported value: ["{dry_run}"]: supported values: "All"'
        causes.append(Cause("dryRun", "FieldValueNotSupported", told))
    if validation not in VALIDATIONS:
        known = ", ".join(f'"{one}"' for one in VALIDATIONS)
        told = f'Unsupported value: "{validation}": supported values: {known}'
        causes.append(Cause("fieldValidation", "FieldValueNotSupported", told))
    manager = query.get("fieldManager", "")
    if len(manager) > 128:
        causes.append(Cause("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"))
    if causes:
        raise invalid_named(META, kind, "", causes)
    named = manager or user_agent.split("/", 1)[0][:128] or "unknown"
    return WriteOptions(dry_run == "All", validation or "Warn", named, boolean(query, "force"))


def require_manager(query: Mapping[str, str]) -> None:
    """Insist on a field manager, which every server-side apply must name.

    Raises:
        ApiError: 422, it names none.
    """
    if not query.get("fieldManager"):
        cause = Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
        raise invalid_named(META, "PatchOptions", "", [cause])
