"""Who asks: sessions signed by the portal, administrators' keys, and what nobody can forge."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import jwt
from cryptography.fernet import Fernet, InvalidToken

from maas_lab.local.portal.calls import NOBODY, Identity
from maas_lab.local.portal.configuration import ADMIN_PREFIX, Configuration
from maas_lab.local.portal.database import Database, Row
from maas_lab.local.portal.fields import identifier
from maas_lab.local.portal.refusals import Refused, forbidden, unauthorized

SIGNED_WITH = "HS256"
AUDIENCE = "litemaas"


class Sessions:
    """Gives sessions out and recognises them."""

    def __init__(self, chosen: Configuration, database: Database) -> None:
        self._secret, self._database, self.lifetime_s = chosen.secret, database, chosen.session_s
        self._admin_keys = [key.encode() for key in chosen.admin_keys]

    def begin(self, user: Row) -> str:
        """Return a new session of a user."""
        issued = int(time.time())
        claims = {
            "userId": str(user["id"]),
            "username": user["username"],
            "email": user["email"],
            "roles": list(user["roles"]),
            "aud": AUDIENCE,
            "iat": issued,
            "exp": issued + self.lifetime_s,
        }
        return jwt.encode(claims, self._secret, algorithm=SIGNED_WITH)

    async def identity(self, authorization: str) -> Identity:
        """Return who an Authorization header speaks for, `NOBODY` without one.

        What somebody may do is read from the database: a session that is older than a change of roles has no more
        rights than a new one.

        Raises:
            Refused: 401, the header is not one of ours or its time is over; 403, the user is locked out.
        """
        if not authorization:
            return NOBODY
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized("Authentication required: a bearer token is wanted")
        token = token.strip()
        if token.startswith(ADMIN_PREFIX):
            return self._administrator(token)
        return await self._user(self._claims(token)["userId"])

    def _administrator(self, token: str) -> Identity:
        if not any(hmac.compare_digest(token.encode(), key) for key in self._admin_keys):
            raise unauthorized("Invalid admin API key")
        return Identity(None, "admin API key", roles=("admin-readonly",))

    def _claims(self, token: str) -> dict:
        try:
            needed = {"require": ["exp", "iat", "userId"]}
            return jwt.decode(token, self._secret, algorithms=[SIGNED_WITH], audience=AUDIENCE, options=needed)
        except jwt.ExpiredSignatureError:
            raise unauthorized("Your session has expired; log in again") from None
        except (jwt.InvalidTokenError, UnicodeEncodeError):
            raise unauthorized("Invalid token") from None

    async def _user(self, told: str) -> Identity:
        query = "select id, username, email, full_name, roles, is_active from users where id = $1"
        try:
            found = await self._database.row(query, identifier("User", told))
        except Refused as error:
            if error.status == 404:
                raise unauthorized("Invalid token") from None
            raise
        if found is None:
            raise unauthorized("Invalid token")
        if not found["is_active"]:
            raise forbidden("This account is locked", "Ask an administrator")
        return Identity(found["id"], found["username"], found["email"], found["full_name"], tuple(found["roles"]))


class Vault:
    """Encrypts the keys that people may look at again.

    Args:
        secret: the portal's; another one cannot read what this one has written.
    """

    def __init__(self, secret: str) -> None:
        key = hashlib.sha256(b"api keys:" + secret.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def lock(self, secret: str) -> bytes:
        """Return a key in a form for the database."""
        return self._fernet.encrypt(secret.encode())

    def unlock(self, locked: bytes) -> str:
        """Return a key in the form in which it opens models.

        Raises:
            Refused: 409, it was stored by a portal with another secret.
        """
        try:
            return self._fernet.decrypt(locked).decode()
        except InvalidToken:
            why = "This key was stored under another JWT_SECRET and cannot be shown; rotate it"
            raise Refused(409, "NOT_REVEALABLE", why) from None
