"""What is answered here rather than behind: refusals in the portal's form, and pages that lead on."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from html import escape

from aiohttp import web


def refusal(status: int, code: str, message: str) -> web.Response:
    """Return an answer that says why there is no better one."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    number = secrets.token_hex(6)
    told = {"code": code, "message": message, "statusCode": status, "timestamp": moment, "requestId": number}
    more = {"Cache-Control": "no-store", "X-Request-Id": number}
    return web.json_response({"error": told, "requestId": number}, status=status, headers=more)


def leading_to(address: str) -> web.Response:
    """Return a page that leads a browser on at once.

    A redirect would not do: jupyter-server-proxy puts its own path before every Location, relative or not, from 4.5 on
    and not before, and writes the result into the workbench's log, with the session in it.
    """
    there = escape(address)
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={there}">
<title>One moment</title>
</head>
<body><main><h1>One moment</h1><p><a href="{there}">Go on</a></p></main></body>
</html>
"""
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    return web.Response(text=text, content_type="text/html", headers=headers)
