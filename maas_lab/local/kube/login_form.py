"""The page on which people tell the cluster who they are. It needs no script, and shows nothing unescaped."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from html import escape
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse

from maas_lab import palette

COOKIE, FIELD = "cluster_login", "csrf"
LONGEST_SHOWN = 200  # characters of what a request names
_RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:3rem auto;padding:1.5rem;border:1px solid var(--line);border-radius:.5rem;
  background:var(--paper)}
h1{margin:0 0 .5rem;font-size:1.5rem}
label{display:block;margin-top:1rem;font-weight:600}
input,button{width:100%;padding:.6rem;font:inherit;border:1px solid var(--edge);border-radius:.25rem}
button{margin-top:1.5rem;background:var(--accent);color:var(--accent-ink);border-color:var(--accent);cursor:pointer}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
.error{padding:.6rem;border-left:4px solid var(--bad);background:var(--bad-tint);color:var(--bad)}
.hint{margin:1.5rem 0 0;color:var(--quiet);font-size:.9rem}
code{overflow-wrap:anywhere}
"""
STYLE = f"{palette.css()}{_RULES}"
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def is_for_people(request: Request) -> bool:
    """Tell whether a browser asks for a page; programs show their credentials, or that no page is behind them."""
    headers = request.headers
    shown = "authorization" in headers or "x-csrf-token" in headers
    return "text/html" in headers.get("accept", "").lower() and not shown


def is_own(request: Request, form: Mapping[str, str]) -> bool:
    """Tell whether a form comes from this page: another page knows no cookie of ours, nor can it send one."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    cookie, field = request.cookies.get(COOKIE, ""), form.get(FIELD, "")
    return bool(_TOKEN.fullmatch(cookie)) and hmac.compare_digest(cookie.encode(), field.encode())


def page(request: Request, status: int = 200, error: str = "", name: str = "") -> HTMLResponse:
    """Return the form.

    Args:
        request: names the application in `client_id`; its `redirect_uri` has been checked.
        status: the HTTP status code.
        error: why the last try failed.
        name: what stood in the form then.
    """
    known = request.cookies.get(COOKIE, "")  # the same in all tabs, so that each can be sent
    token = known if _TOKEN.fullmatch(known) else secrets.token_urlsafe(32)
    client = _shown(request.query_params.get("client_id", "")) or "An application"
    told = f'<p class="error" id="error" role="alert">{escape(error)}</p>' if error else ""
    wrong = ' aria-describedby="error" aria-invalid="true"' if error else ""
    at_name, at_password = ("", " autofocus") if error and name else (" autofocus", "")
    body = f"""
<h1>Log in to the cluster</h1>
<p><strong><code>{client}</code></strong> asks who you are. Your password goes to the cluster, not to it.</p>
{told}
<form method="post">
<input type="hidden" name="{FIELD}" value="{token}">
<label for="name">Name</label>
<input id="name" name="name" value="{_shown(name)}" autocomplete="username" autocapitalize="none" spellcheck="false"
 required{at_name}{wrong}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{at_password}{wrong}>
<button type="submit">Log in</button>
</form>
<p class="hint">The lab's users are alice, bob, carol and dave. In a terminal at the lab's folder,
<code>./lab password alice</code> prints the password of alice.</p>"""
    parts = urlsplit(request.query_params["redirect_uri"])
    # Browsers hold the answer of a form to the policy as well, and that sends people back to the application.
    back = f"{parts.scheme}://{parts.netloc}"
    answer = _html(status, f"{'Error: ' if error else ''}Log in to the cluster", body, f"form-action 'self' {back}")
    # No Path: it is that of this page as the browser sees it, below whatever path a proxy has put before ours.
    answer.headers["set-cookie"] = f"{COOKIE}={token}; HttpOnly; SameSite=Strict"
    return answer


def refused(error: str) -> HTMLResponse:
    """Return a page that says why nobody can log in by this address."""
    body = f"<h1>This login cannot go on</h1>\n<p>{escape(error)}.</p>\n<p>Begin again in the application.</p>"
    return _html(400, "This login cannot go on", body, "form-action 'none'")


def _html(status: int, title: str, body: str, leads: str) -> HTMLResponse:
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body><main>{body}</main></body>
</html>
"""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
        f"frame-ancestors 'none'; {leads}"
    )
    headers = {
        "cache-control": "no-store",
        "content-security-policy": policy,
        "referrer-policy": "same-origin",  # without one, browsers would not say where the form comes from
        "x-content-type-options": "nosniff",
    }
    return HTMLResponse(text, status, headers)


def _shown(text: str) -> str:
    return escape(text[:LONGEST_SHOWN])
