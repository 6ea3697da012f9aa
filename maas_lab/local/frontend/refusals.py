"""What is answered when nobody behind the pages answers, in the form of the portal's own refusals."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from aiohttp import web


def refusal(status: int, code: str, message: str) -> web.Response:
    """Return an answer that says why there is no better one."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    number = secrets.token_hex(6)
    told = {"code": code, "message": message, "statusCode": status, "timestamp": moment, "requestId": number}
    more = {"Cache-Control": "no-store", "X-Request-Id": number}
    return web.json_response({"error": told, "requestId": number}, status=status, headers=more)
