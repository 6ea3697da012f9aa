"""Answer questions about rights and tokens; they are answered and forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

from maas_lab.local.kube import syntax
from maas_lab.local.kube.rbac.authorizer import Authorizer
from maas_lab.local.kube.rbac.rules import Asked
from maas_lab.local.kube.status import bad_request, invalid_named, no_such_resource
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import now, stamp
from maas_lab.local.kube.tokens import Tokens
from maas_lab.local.kube.users import ADMIN, User

SHORTEST_TOKEN_S = 600


def answer(authorizer: Authorizer, tokens: Tokens, user: User, review: Object, namespace: str) -> Object:
    """Return a review of any kind with its answer; see `access`."""
    if review["kind"] == "TokenReview":
        return token(tokens, review)
    if review["kind"] == "SelfSubjectRulesReview":
        return rules(authorizer, user, review)
    if review["kind"] == "SelfSubjectReview":
        return who(user, review)
    return access(authorizer, user, review, namespace)


def access(authorizer: Authorizer, user: User, review: Object, namespace: str) -> Object:
    """Return a review of access with its answer: of one's own, or of somebody else's who is named in it.

    Args:
        authorizer: knows.
        user: who asks.
        review: a SelfSubjectAccessReview, SubjectAccessReview or LocalSubjectAccessReview.
        namespace: of its path; empty for the first two.

    Raises:
        ApiError: 422, it does not say what it asks.
    """
    spec = review.get("spec") or {}
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    causes = []
    if (about is None) == (path is None):
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(syntax.invalid("spec.resourceAttributes", about, why))
    if namespace and (about or {}).get("namespace") != namespace:
        causes.append(syntax.invalid("spec.resourceAttributes.namespace", None, "must match metadata.namespace"))
    if review["kind"] != "SelfSubjectAccessReview":
        user = User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()))
        if not user.name and not user.groups:
            causes.append(syntax.invalid("spec.user", "", "at least one of user or group must be specified"))
    if causes:
        raise invalid_named("authorization.k8s.io", review["kind"], "", causes)
    decision = authorizer.decide(user, _asked(about, path))
    told = {"reason": decision.reason} if decision.reason else {}
    return {**review, "status": {"allowed": decision.allowed, **told}}


def _asked(about: Object | None, path: Object | None) -> Asked:
    """Return what a review asks about."""
    if path is not None:
        return Asked(path.get("verb", ""), path=path.get("path") or "/")
    names = {"verb": "verb", "group": "group", "resource": "resource", "subresource": "part"}
    names |= {"namespace": "namespace", "name": "name"}
    return Asked(**{"verb": "", **{names[name]: value for name, value in about.items() if name in names}})


def rules(authorizer: Authorizer, user: User, review: Object) -> Object:
    """Return a SelfSubjectRulesReview with its answer: all that somebody may do in a namespace.

    Raises:
        ApiError: 400, it names no namespace.
    """
    namespace = (review.get("spec") or {}).get("namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    given = authorizer.rules(user, namespace)
    keys = ("verbs", "apiGroups", "resources", "resourceNames")
    objects = [{key: one[key] for key in keys if one.get(key)} for one in given if one.get("resources")]
    paths = [{key: one[key] for key in ("verbs", "nonResourceURLs")} for one in given if one.get("nonResourceURLs")]
    status = {"resourceRules": objects, "nonResourceRules": paths, "incomplete": False}
    return {**review, "metadata": {}, "spec": {}, "status": status}


def who(user: User, review: Object) -> Object:
    """Return a SelfSubjectReview with its answer: who calls, or as whom."""
    told = _info(user) | {"username": _name(user)}
    return {**review, "metadata": {"creationTimestamp": now()}, "status": {"userInfo": told}}


def _name(user: User) -> str:
    """Return what OpenShift calls somebody."""
    return "kube:admin" if user == ADMIN else user.name


def _info(user: User) -> Object:
    told = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    return {name: value for name, value in told.items() if value}


def token(tokens: Tokens, review: Object) -> Object:
    """Return a TokenReview with its answer."""
    given = (review.get("spec") or {}).get("token")
    if not given:
        raise bad_request("token is required for TokenReview in authentication")
    user = tokens.owner(given)
    if user is None:
        status: Object = {"user": {}, "error": "[invalid bearer token, token is not one of this cluster]"}
    else:
        status = {"authenticated": True, "user": _info(user)}
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
    groups = [one for one in user.groups if not one.startswith("system:authenticated:oauth")]
    return {
        "kind": "User",
        "apiVersion": "user.openshift.io/v1",
        "metadata": {"name": _name(user), "uid": user.uid, "creationTimestamp": None},
        "fullName": user.full_name,
        "identities": None,
        "groups": groups,
    }
