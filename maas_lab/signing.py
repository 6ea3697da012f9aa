"""Sign what this lab says of its learner, with a key that stays in the lab's home.

A signature shows that a file is as this lab wrote it. It does not show who did the exercises: whoever may read the
key, so the learner too, can sign anything.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from typing import Any

from maas_lab import settings
from maas_lab.errors import UsageError
from maas_lab.private import told_plainly, write_private


def sign(content: dict[str, Any]) -> dict[str, Any]:
    """Return a signed copy of a JSON object: with `key`, which names the lab's key, and `signature`.

    The key is made where there is none; so hold `course.turn()`.

    Raises:
        UsageError: the lab's key is damaged.
        EnvironmentFault: it cannot be read or written.
    """
    key = _key() or _made()
    signed = {**content, "key": _name(key)}
    return {**signed, "signature": _signature(key, signed)}


def check(content: dict[str, Any], what: str, hint: str = "take the file as the lab wrote it") -> None:
    """Refuse a JSON object that is not as this lab signed it.

    Args:
        content: of a file.
        what: the file, for the error.
        hint: what to do.

    Raises:
        UsageError: it was changed, it was signed with another key, or the lab's key is gone or damaged.
    """
    signature, key = content.get("signature"), _key()
    if not isinstance(signature, str) or "key" not in content:
        raise UsageError(f"{what} is not signed", "a lab signs what it writes", hint)
    if key is None or content["key"] != _name(key):
        why = "each lab's home has a key of its own" if key else f"{settings.load().course / 'key'} is gone"
        raise UsageError(f"{what} was signed by another lab", why, "verify it in the home that it was made in")
    if not hmac.compare_digest(signature.encode(), _signature(key, content).encode()):
        why = "its content and its signature do not fit"
        raise UsageError(f"{what} was changed after it was signed", why, hint)


def _signature(key: bytes, content: dict[str, Any]) -> str:
    """Return the HMAC-SHA256 (RFC 2104) of a JSON object in one fixed form, its signature left out."""
    told = {name: value for name, value in content.items() if name != "signature"}
    return hmac.new(key, json.dumps(told, sort_keys=True, separators=(",", ":")).encode(), hashlib.sha256).hexdigest()


def _name(key: bytes) -> str:
    """Return what names a key and does not tell it."""
    return hashlib.sha256(b"maas-lab " + key).hexdigest()[:16]


def _key() -> bytes | None:
    file = settings.load().course / "key"
    with told_plainly(file.parent):
        try:
            told = file.read_bytes()
        except FileNotFoundError:
            return None
    if not re.fullmatch(rb"[0-9a-f]{64}", told):
        why = "what it signed cannot be verified any more"
        raise UsageError(f"{file} is damaged", why, f"mv {file.parent} {file.parent}.old: the course begins anew")
    return told


def _made() -> bytes:
    key = secrets.token_hex(32)
    write_private(settings.load().course / "key", key)
    return key.encode()
