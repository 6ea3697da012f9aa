"""Know who calls: the administrator by a random token, everybody else by tokens that this cluster has signed."""

from __future__ import annotations

import hmac
import secrets
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jwt

from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.users import ADMIN, ANONYMOUS, User

if TYPE_CHECKING:
    from starlette.datastructures import Headers

ISSUER = "https://kubernetes.default.svc"
OAUTH = "sha256~"
SIGNED_WITH = "HS256"


class Tokens:
    """Makes and reads bearer tokens.

    Args:
        admin: the administrator's token.
        key: signs the tokens of all others.
        find: returns an object by its uid, or None: a ServiceAccount's token ends with it.
    """

    def __init__(self, admin: str, key: str, find: Callable[[str], object]) -> None:
        self._admin, self._key, self._find = admin.encode(), key, find

    def user(self, authorization: str) -> User | None:
        """Return who an Authorization header speaks for: nobody in particular without one, None if it is wrong."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        return self.owner(token.strip()) if scheme.lower() == "bearer" else None

    def impersonated(self, user: User, headers: Headers) -> User:
        """Return as whom somebody wants to be seen, `kubectl --as`: a trial of what others may do.

        Raises:
            ApiError: 403, not everybody may try this.
        """
        name, groups = headers.get("impersonate-user", ""), headers.getlist("impersonate-group")
        if not name and not groups:
            return user
        if not user.is_admin:
            told = f'User "{user.name}" cannot impersonate resource "users" in API group "" at the cluster scope'
            about = {"name": name, "kind": "users"}
            raise ApiError(403, "Forbidden", f'users "{name}" is forbidden: {told}', about)
        prefix, _, account = name.partition("serviceaccount:")
        if prefix == "system:" and account and not groups:
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{account.split(':')[0]}"]
        return User(name, "", (*groups, "system:authenticated"))

    def owner(self, token: str) -> User | None:
        """Return whose a token is, None if it is not one of ours or its time is over."""
        if hmac.compare_digest(token.encode(), self._admin):
            return ADMIN
        claims = self._claims(token)
        if claims is None:
            return None
        if "kubernetes.io" in claims and self._find(claims["uid"]) is None:
            return None
        return User(claims["sub"], claims.get("uid", ""), tuple(claims["groups"]), claims.get("full_name", ""))

    def for_service_account(self, namespace: str, name: str, uid: str, seconds: int) -> tuple[str, float]:
        """Return a signed token of a ServiceAccount, and when it expires."""
        expires = time.time() + seconds
        claims = {
            "aud": [ISSUER],
            "exp": int(expires),
            "iat": int(time.time()),
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "uid": uid,
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
        }
        return self._signed(claims), expires

    def for_user(self, user: User, seconds: int) -> str:
        """Return a signed token of a user, in the form that OpenShift gives its."""
        claims = {
            "exp": int(time.time() + seconds),
            "jti": secrets.token_hex(8),
            "sub": user.name,
            "uid": user.uid,
            "groups": [*user.groups, "system:authenticated", "system:authenticated:oauth"],
            "full_name": user.full_name,
        }
        return OAUTH + self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm=SIGNED_WITH)

    def _claims(self, token: str) -> dict[str, Any] | None:
        """Return what a token says if we have signed it and its time is not over."""
        try:
            # Every token is for this cluster, so nobody needs to say for whom it is.
            options = {"verify_aud": False, "require": ["exp", "sub"]}
            return jwt.decode(token.removeprefix(OAUTH), self._key, algorithms=[SIGNED_WITH], options=options)
        except jwt.InvalidTokenError:
            return None
