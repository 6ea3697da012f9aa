"""What the portal answers when it does not do what was asked, in the form that LiteMaaS gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

LONGEST_ECHO = 100
T = TypeVar("T")


class Refused(Exception):
    """A request is refused.

    Args:
        status: the HTTP status code.
        code: one word for programs, e.g. `VALIDATION_ERROR`.
        message: one sentence for people.
        headers: more headers of the answer.
        details: `field`, `value`, `suggestion`.
    """

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **details: Any
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers, self.details = dict(headers or {}), details

    def body(self, request_id: str, moment: str) -> dict[str, Any]:
        """Return the answer's body."""
        told = {"code": self.code, "message": self.message, "statusCode": self.status}
        told |= {"details": self.details} if self.details else {}
        return {"error": {**told, "timestamp": moment, "requestId": request_id}, "requestId": request_id}


def invalid(message: str, field: str = "", value: object = None, suggestion: str = "") -> Refused:
    """Return the refusal of a wrong field."""
    details = {"field": field, "value": _short(value), "suggestion": suggestion}
    return Refused(400, "VALIDATION_ERROR", message, **{name: one for name, one in details.items() if one})


def unauthorized(message: str = "Authentication required") -> Refused:
    """Return the refusal of somebody who has not logged in."""
    return Refused(401, "UNAUTHORIZED", message, headers={"www-authenticate": "Bearer"})


def forbidden(message: str, suggestion: str = "You do not have permission to access this resource") -> Refused:
    """Return the refusal of somebody who may not do this."""
    return Refused(403, "FORBIDDEN", message, suggestion=suggestion)


def not_found(what: str) -> Refused:
    """Return the refusal of something that is not there, or that is somebody else's: nobody can tell which."""
    return Refused(404, "NOT_FOUND", f"{what} not found")


def there(found: T | None, what: str) -> T:
    """Return what was looked for.

    Raises:
        Refused: 404, it was not found.
    """
    if found is None:
        raise not_found(what)
    return found


def unavailable(what: str) -> Refused:
    """Return the refusal while something that the portal needs does not answer."""
    return Refused(503, "SERVICE_UNAVAILABLE", f"{what} does not answer; try again in a moment", headers=_SOON)


def too_many(what: str, seconds: int) -> Refused:
    """Return the refusal of somebody who asks too often."""
    told = f"Rate limit exceeded for {what}, retry in {seconds} seconds"
    return Refused(429, "RATE_LIMITED", told, headers={"retry-after": str(seconds)})


_SOON = {"retry-after": "2"}


def _short(value: object) -> object:
    return value[:LONGEST_ECHO] if isinstance(value, str) else value
