"""Refuse in the words of a Kubernetes API server: metav1.Status objects as exceptions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from maas_lab.local.kube.kinds import Kind

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Cause(NamedTuple):
    """One thing that is wrong with one field.

    Attributes:
        field: its path, e.g. `spec.containers[0].image`.
        type: a reason such as `FieldValueInvalid` or `FieldManagerConflict`.
        message: what is wrong, without the path.
    """

    field: str
    type: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return the cause as a Status carries it."""
        told = {"reason": self.type, "message": self.message, "field": self.field}
        return {key: value for key, value in told.items() if value}


class ApiError(Exception):
    """A refusal.

    Attributes:
        status: the metav1.Status object that the client receives.
        code: its HTTP status code.
    """

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
        }
        if reason:
            self.status["reason"] = reason
        if details is not None:
            self.status["details"] = details
        self.status["code"] = code


def details(name: str, group: str, kind: str, causes: Iterable[Cause] = ()) -> dict[str, Any]:
    """Return the details of a Status; what is empty is left out, as a real server does."""
    told: dict[str, Any] = {"name": name, "group": group, "kind": kind}
    told["causes"] = [cause.as_dict() for cause in causes]
    return {key: value for key, value in told.items() if value}


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """Return the Status that answers a finished deletion."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**details(name, kind.group, kind.plural), "uid": uid},
    }


def not_found(kind: Kind, name: str) -> ApiError:
    """Say that no object has this name."""
    message = f'{kind.resource} "{name}" not found'
    return ApiError(404, "NotFound", message, details(name, kind.group, kind.plural))


def no_such_resource(message: str = "the server could not find the requested resource") -> ApiError:
    """Say that nothing is served at this path."""
    return ApiError(404, "NotFound", message, {})


def already_exists(kind: Kind, name: str) -> ApiError:
    """Say that the name is taken."""
    message = f'{kind.resource} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details(name, kind.group, kind.plural))


def conflict(kind: Kind, name: str, message: str = MODIFIED) -> ApiError:
    """Say that the object is no longer what the caller thinks it is."""
    told = f'Operation cannot be fulfilled on {kind.resource} "{name}": {message}'
    return ApiError(409, "Conflict", told, details(name, kind.group, kind.plural))


def precondition(kind: Kind, name: str, message: str) -> ApiError:
    """Say that a precondition does not hold; the server names the kind here, not the resource."""
    told = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {message}'
    return ApiError(409, "Conflict", told, details(name, kind.group, kind.kind))


def apply_conflict(message: str, causes: Iterable[Cause]) -> ApiError:
    """Say which fields other managers own."""
    return ApiError(409, "Conflict", message, {"causes": [cause.as_dict() for cause in causes]})


def invalid(kind: Kind, name: str, causes: Iterable[Cause]) -> ApiError:
    """Say everything that is wrong with an object."""
    return invalid_named(kind.group, kind.kind, name, list(causes))


def invalid_named(group: str, kind: str, name: str, causes: list[Cause]) -> ApiError:
    """Say everything that is wrong with something that is no served kind, such as query options."""
    told = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details(name, group, kind, causes))


def bad_request(message: str) -> ApiError:
    """Say that the request itself is wrong."""
    return ApiError(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, message: str, causes: Iterable[Cause] = ()) -> ApiError:
    """Say that this is not allowed; a name where one object is meant."""
    told = f'{kind.resource} "{name}" is forbidden: {message}' if name else f"{kind.resource} is forbidden: {message}"
    return ApiError(403, "Forbidden", told, details(name, kind.group, kind.plural, causes))


def unauthorized() -> ApiError:
    """Say that the token is not known."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed(message: str = "the server does not allow this method on the requested resource") -> ApiError:
    """Say that this verb is not served here."""
    return ApiError(405, "MethodNotAllowed", message, {})


def not_acceptable(offered: Iterable[str]) -> ApiError:
    """Say which representations there are."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(offered)}"
    return ApiError(406, "NotAcceptable", message, {})


def unsupported_media_type(offered: Iterable[str]) -> ApiError:
    """Say which body formats are read."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(offered)}"
    return ApiError(415, "UnsupportedMediaType", message)


def gone(message: str) -> ApiError:
    """Say that the history asked for has been forgotten."""
    return ApiError(410, "Expired", message)


def too_large(message: str) -> ApiError:
    """Say that the body is too large."""
    return ApiError(413, "RequestEntityTooLarge", message)
