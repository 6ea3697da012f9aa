"""Answer questions about rights and tokens; they are answered and forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import ApiError, bad_request, forbidden, no_such_resource
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import now, stamp
from maas_lab.local.kube.tokens import ADMIN, ANONYMOUS, Tokens, User

OPEN_PATHS = ("/version", "/healthz", "/livez", "/readyz", "/.well-known/", "/oauth/")
DISCOVERY_PATHS = ("/api", "/apis", "/openapi")
SHORTEST_TOKEN_S = 600


def may(user: User, verb: str, kind: Kind | None) -> bool:
    """Tell whether somebody may do something: the administrator everything, others only ask about themselves."""
    if user.is_admin:
        return True
    if user == ANONYMOUS or kind is None:
        return False
    return kind.kind in ("SelfSubjectAccessReview", "User") and verb in ("create", "get")


def check(user: User, verb: str, kind: Kind, namespace: str, name: str, part: str) -> None:
    """Insist on a right.

    Raises:
        ApiError: 403.
    """
    if may(user, verb, kind):
        return
    resource = f"{kind.plural}/{part}" if part else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    told = f'User "{user.name}" cannot {verb} resource "{resource}" in API group "{kind.group}" {where}'
    raise forbidden(kind, name, told)


def check_path(user: User, method: str, path: str) -> None:
    """Insist on the right to read a path that is no resource.

    Raises:
        ApiError: 403.
    """
    if user.is_admin or path.startswith(OPEN_PATHS) or (user != ANONYMOUS and path.startswith(DISCOVERY_PATHS)):
        return
    message = f'forbidden: User "{user.name}" cannot {method.lower()} path "{path}"'
    raise ApiError(403, "Forbidden", message, {})


def access(user: User, review: Object, kind_of: Any) -> Object:
    """Return a SelfSubjectAccessReview with its answer."""
    asked = (review.get("spec") or {}).get("resourceAttributes")
    kind = kind_of(asked.get("group", ""), asked.get("resource", "")) if asked else None
    allowed = may(user, (asked or {}).get("verb", ""), kind)
    return {**review, "status": {"allowed": allowed}}


def token(tokens: Tokens, review: Object) -> Object:
    """Return a TokenReview with its answer."""
    given = (review.get("spec") or {}).get("token")
    if not given:
        raise bad_request("token is required for TokenReview in authentication")
    user = tokens.owner(given)
    if user is None:
        status: Object = {"user": {}, "error": "[invalid bearer token, token is not one of this cluster]"}
    else:
        told = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
        status = {"authenticated": True, "user": told}
    return {**review, "status": status}


def token_request(tokens: Tokens, account: Object, request: Object) -> Object:
    """Return a TokenRequest with a token for a ServiceAccount."""
    metadata, spec = account["metadata"], request.get("spec") or {}
    seconds = spec.get("expirationSeconds", 3600) if isinstance(spec, dict) else None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not SHORTEST_TOKEN_S <= seconds <= 2**32:
        raise bad_request(f"spec.expirationSeconds: at least {SHORTEST_TOKEN_S}, and at most 2^32")
    text, expires = tokens.for_service_account(metadata["namespace"], metadata["name"], metadata["uid"], seconds)
    ends = stamp(datetime.fromtimestamp(expires, UTC))
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "creationTimestamp": now()},
        "spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": seconds, "boundObjectRef": None},
        "status": {"token": text, "expirationTimestamp": ends},
    }


def openshift_user(user: User, name: str) -> Object:
    """Return who calls, as OpenShift's `users/~` tells it.

    Raises:
        ApiError: 404 for anybody but oneself.
    """
    if name not in ("~", user.name):
        raise no_such_resource(f'users.user.openshift.io "{name}" not found: the lab serves only `users/~`, yourself')
    shown = "kube:admin" if user == ADMIN else user.name
    groups = [one for one in user.groups if not one.startswith("system:authenticated:oauth")]
    return {
        "kind": "User",
        "apiVersion": "user.openshift.io/v1",
        "metadata": {"name": shown, "uid": user.uid, "creationTimestamp": None},
        "fullName": user.full_name,
        "identities": None,
        "groups": groups,
    }


def project(namespace: Object) -> Object:
    """Return a namespace as the project that OpenShift shows."""
    metadata = {name: value for name, value in namespace["metadata"].items() if name != "managedFields"}
    told = {"kind": "Project", "apiVersion": "project.openshift.io/v1", "metadata": metadata}
    return {**told, "spec": namespace.get("spec", {}), "status": namespace.get("status", {})}
