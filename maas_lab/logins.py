"""A login at a cluster by a token: read what "Copy login command" shows, and keep it in this process only."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urlsplit

from maas_lab.errors import UsageError
from maas_lab.keys import ApiKey
from maas_lab.rest import address, is_loopback

EXAMPLE = "oc login --token=sha256~… --server=https://api.example.com:6443"
_HINT = f"in OpenShift's console: your name, Copy login command, Display token. It looks like `{EXAMPLE}`"
_VALUED = {"--token": "token", "--server": "server", "-s": "server"}


class Login(NamedTuple):
    """Who one is at which Kubernetes API.

    Attributes:
        server: the API's address.
        token: the user's; it never shows itself.
    """

    server: str
    token: ApiKey

    @classmethod
    def of(cls, server: str, token: ApiKey | str) -> Login:
        """Return a login, checked as far as that goes without asking the cluster.

        Raises:
            UsageError: the address or the token is not one, or the token would be sent unencrypted.
        """
        found = address(server, "a Kubernetes API", "https://api.example.com:6443")
        if found.startswith("http:") and not is_loopback(found):
            what = "the token would be sent unencrypted"
            raise UsageError(what, f"{found} is not https", _HINT)
        try:
            return cls(found, ApiKey.of(token))
        except UsageError:
            raise UsageError("this is not a token", "it is empty, or holds a space or a quote", _HINT) from None


def read(text: str, server: str = "") -> Login:
    """Read a login out of what people copy; no error shows any of it.

    Args:
        text: the line `oc login --token=... --server=...`, the curl command below it, or the token alone.
        server: the API's address, where the text does not name one.

    Raises:
        UsageError: there is no token in it, or no address.
    """
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError:
        raise UsageError("this is not a login command", "its quotes do not match", _HINT) from None
    found = _options(words)
    token = found.get("token") or _bearer(text) or (words[0] if len(words) == 1 and "://" not in words[0] else "")
    if not token:
        raise UsageError("there is no token in what was pasted", "it has no `--token`", _HINT)
    named = found.get("server") or next((_origin(one) for one in words if one.startswith("http")), "") or server.strip()
    if not named:
        why = "the token alone does not say which cluster it is for"
        raise UsageError("the address of the cluster's API is missing", why, _HINT)
    return Login.of(named, token)


def _options(words: list[str]) -> dict[str, str]:
    """Return the values of `--token` and `--server`; everything else, such as a switched off check, is not followed."""
    found: dict[str, str] = {}
    for word, following in pairwise([*words, ""]):
        name, has_value, value = word.partition("=")
        if name in _VALUED:
            found[_VALUED[name]] = value if has_value else following
    return found


def _bearer(text: str) -> str:
    found = re.search(r"Bearer\s+([^\s\"']+)", text)
    return found[1] if found else ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


_kept: list[Login] = []


def keep(login: Login | None) -> None:
    """Keep a login until this process ends, or forget the one that is kept; `connect()` takes it."""
    _kept[:] = [login] if login else []


def kept() -> Login | None:
    """Return the login that this process keeps; None without one."""
    return _kept[0] if _kept else None
