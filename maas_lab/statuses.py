"""One place that turns an answer of the Kubernetes API into a typed error.

The server's own words are kept: they are what a provider must learn to read. Secrets never are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from maas_lab import network
from maas_lab.errors import (
    ClusterError,
    ClusterUnreachable,
    Conflict,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    Rejected,
)

HIDDEN = "…"
_RIGHT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?'
)
_QUOTA = re.compile(r" is forbidden: (?P<how>exceeded|failed) quota: ")
# Where the words of a decoder hide the path of a field.
_GO_FIELD = re.compile(r"Go struct field \w*\.(\S+) of type")
_STRICT = re.compile(r'(?:unknown|duplicate) field "([^"]+)"(?: \([^)]*\))?')
_UNTYPED = re.compile(r"failed to create typed patch object \([^)]*\): ", re.DOTALL)
_TLS = re.compile(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|[Hh]ostname mismatch|doesn't match", re.DOTALL)
_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|wrong version number|record layer failure|UNKNOWN_PROTOCOL")
_BAD_PEM = re.compile(r"NO_CERTIFICATE_OR_CRL_FOUND|PEM lib|KEY_VALUES_MISMATCH")
_BAD_NAME = re.compile(r"NameResolutionError|Name or service not known|getaddrinfo|nodename nor servname")


class Status(NamedTuple):
    """What of a refusal tells its kind; code 0 means that it did not come over HTTP."""

    code: int
    reason: str
    message: str
    causes: tuple[Mapping[str, Any], ...]

    @classmethod
    def read(cls, code: int, body: str | bytes | None, secrets: Iterable[str] = ()) -> Status:
        """Read an answer; a body that is no Status is one without words.

        Args:
            code: the HTTP status code.
            body: as it came.
            secrets: values that must not be shown.
        """
        try:
            found = json.loads(body or "")
        except ValueError:
            found = None
        if not isinstance(found, Mapping) or found.get("kind") != "Status":
            return cls(code, "", "", ())
        details = found.get("details") or {}
        causes = [cause for cause in details.get("causes") or () if isinstance(cause, Mapping)]
        causes = [{name: hide(str(value), secrets) for name, value in cause.items()} for cause in causes]
        message = hide(str(found.get("message") or "").strip(), secrets)
        return cls(code, found.get("reason") or "", message, tuple(causes))

    def to(self, kind: type[ClusterError], what: str, why: str = "", hint: str = "", causes: Iterable[str] = ()) -> Any:
        """Make the typed error."""
        return kind(what, why, hint, status=self.code or None, reason=self.reason, causes=tuple(causes))


def refusal(status: Status, subject: str = "this call") -> ClusterError:
    """Return the typed error for a refusal.

    Args:
        status: what the server answered.
        subject: what the call was about, e.g. `Deployment litellm in maas-system`.
    """
    for classify in (_login, _right, _missing, _conflict, _wrong):
        if found := classify(status, subject):
            return found
    if not status.message:
        code = f" (HTTP {status.code})" if status.code else ""
        what = f"the answer{code} is not the Kubernetes API's"
        why = "a proxy, a login page or another program stands at this address"
        return status.to(ClusterError, what, why, "check `server:` in the kubeconfig")
    what = f"the cluster failed at {subject} (HTTP {status.code})"
    return status.to(ClusterError, what, status.message, "call again in a moment")


def unreachable(cause: object, server: str) -> ClusterUnreachable:
    """Return the error for a call that got no answer at all.

    Args:
        cause: what the HTTP client said.
        server: the cluster's address.
    """
    text = str(cause)
    if _NOT_TLS.search(text):
        why = "the kubeconfig says https://, but what listens there does not speak TLS"
        return ClusterUnreachable(f"{server} does not speak TLS", why, "check `server:` in the kubeconfig")
    if _TLS.search(text):
        why = "it is signed by an authority that the kubeconfig does not name, or it is for another name"
        hint = "put the cluster's CA into `certificate-authority-data:` of the kubeconfig, or log in again (`oc login`)"
        hint += f"; where no kubeconfig is used: {network.authority_hint()}"
        return ClusterUnreachable(f"the certificate of {server} cannot be trusted", why, hint)
    if _BAD_PEM.search(text):
        hint = "log in again, or mend the lines with `certificate` and `key` in it"
        return ClusterUnreachable("the certificates in the kubeconfig cannot be used", "they are damaged", hint)
    if "SSLError" in text or "[SSL" in text:
        why = "it may want a client certificate, or another version of TLS"
        return ClusterUnreachable(f"no TLS connection to {server}", why, "check `users:` in the kubeconfig")
    if "timed out" in text:
        hint = "is the VPN up, and the cluster awake? then call again"
        return ClusterUnreachable(f"{server} did not answer in time", "it is busy, or a firewall swallows calls", hint)
    why = "there is no host of this name" if _BAD_NAME.search(text) else "the connection failed"
    hint = "check `server:` in the kubeconfig and that the cluster runs; the lab's own starts with `./lab up`"
    return ClusterUnreachable(f"nothing answers at {server}", why, hint)


def _login(status: Status, subject: str) -> ClusterError | None:
    nobody = status.code == 403 and 'User "system:anonymous"' in status.message
    if status.code != 401 and not nobody:
        return None
    why = "the kubeconfig holds no token" if nobody else "the token is unknown there, or it has expired"
    hint = "log in again (`oc login`), then connect again; a file of a class ends: ask your instructor for a new one"
    return status.to(NotLoggedIn, "the cluster does not know you", why, hint)


def _right(status: Status, subject: str) -> ClusterError | None:
    if status.code != 403:
        return None
    if any(cause.get("reason") == "NamespaceTerminating" for cause in status.causes):
        hint = "wait until the namespace is gone (`cluster.wait_gone`), then apply again"
        return status.to(Rejected, f"{subject} came too late", status.message, hint, [status.message])
    if quota := _QUOTA.search(status.message):
        return _over(status, subject) if quota["how"] == "exceeded" else _silent(status, subject)
    found = _RIGHT.search(status.message)
    if not found:
        hint = "`cluster.permissions()` shows what you may do, and whom to ask for what"
        return status.to(NotAllowed, f"the cluster does not allow {subject}", status.message, hint)
    kind = found["resource"] + (f".{found['group']}" if found["group"] else "")
    where = f"in the namespace `{found['namespace']}`" if found["namespace"] else "in the whole cluster"
    hint = f"ask for the right: {grant(found['verb'], found['resource'], found['user'], found['namespace'])}"
    return status.to(NotAllowed, f"you may not {found['verb']} {kind} {where}", status.message, hint)


def _over(status: Status, subject: str) -> ClusterError:
    hint = "delete what you no longer need, or ask whoever looks after the cluster for a larger quota"
    return status.to(NotAllowed, f"a quota does not allow {subject}", status.message, hint)


def _silent(status: Status, subject: str) -> ClusterError:
    hint = "name it in `resources` of each container that is told"
    return status.to(Rejected, f"a quota wants to know more of {subject}", status.message, hint)


def grant(verb: str, resource: str, user: str, namespace: str | None) -> str:
    """Return the command by which an administrator of OpenShift gives the right to a verb.

    Args:
        verb: e.g. `patch`.
        resource: the plural.
        user: who lacks it, as the cluster knows them.
        namespace: where; None or empty means the whole cluster.
    """
    if resource == "namespaces" and verb in ("create", "patch"):  # OpenShift's users get theirs by asking for a project
        return f"oc adm policy add-cluster-role-to-user self-provisioner {user}"
    # `view` shows everything but secrets.
    reads = verb in ("get", "list", "watch") and resource != "secrets"
    if namespace:
        return f"oc adm policy add-role-to-user {'view' if reads else 'edit'} {user} -n {namespace}"
    return f"oc adm policy add-cluster-role-to-user {'cluster-reader' if reads else 'cluster-admin'} {user}"


def _missing(status: Status, subject: str) -> ClusterError | None:
    if status.code != 404:
        return None
    namespace = re.match(r'namespaces "([^"]+)" not found', status.message)
    if namespace and not subject.startswith("Namespace "):
        what = f"there is no namespace `{namespace[1]}`"
        return status.to(NotFound, what, status.message, f"make it first: kubectl create namespace {namespace[1]}")
    if not status.message or "could not find the requested resource" in status.message:
        what = f"the cluster does not serve {subject}"
        return status.to(NotFound, what, status.message, "check apiVersion and kind; is the operator installed?")
    return status.to(NotFound, f"there is no {subject}", status.message, "check the name and the namespace")


def _conflict(status: Status, subject: str) -> ClusterError | None:
    if status.code != 409:
        return None
    owned = [cause for cause in status.causes if cause.get("reason") == "FieldManagerConflict"]
    if not owned:
        exists = status.reason == "AlreadyExists"
        what = f"{subject} exists already" if exists else f"{subject} has changed meanwhile"
        return status.to(Conflict, what, status.message, "read it again, then repeat the change")
    causes = [f"{cause['field']}: {cause['message']}" for cause in owned]
    hint = "leave these fields to their owner, or take them over: apply(..., force=True)"
    return status.to(Conflict, f"others own fields of {subject}", "\n".join(causes), hint, causes)


def _wrong(status: Status, subject: str) -> ClusterError | None:
    # An unknown field in a server-side apply is a 500 on a real server, whatever the field validation.
    if status.code not in (400, 413, 422) and not _UNTYPED.match(status.message):
        return None
    causes = list(dict.fromkeys(_causes(status))) or [f"HTTP {status.code}, without a reason"]
    hint = "correct the manifest; `kubectl explain` shows the fields of a kind"
    return status.to(Rejected, f"the cluster rejects {subject}", "\n".join(causes), hint, causes)


def _causes(status: Status) -> list[str]:
    """Return every cause on a line of its own, the path first."""
    # A custom kind's server puts the whole object before these words.
    _, strict, unknown = status.message.rpartition("strict decoding error: ")
    if strict and (fields := list(_STRICT.finditer(unknown))):
        return [f"{found[1]}: {found[0]}" for found in fields]
    if status.causes:
        return [": ".join(filter(None, (cause.get("field"), cause.get("message")))) for cause in status.causes]
    if untyped := _UNTYPED.match(status.message):
        rest = status.message[untyped.end() :].removeprefix("errors:")
        return [line.strip() for line in rest.splitlines() if line.strip()]
    if field := _GO_FIELD.search(status.message):
        return [f"{field[1]}: {status.message}"]
    return [status.message] if status.message else []


def hide(text: str, secrets: Iterable[str]) -> str:
    """Take values that must not show out of a text, also as Go and JSON quote them."""
    forms = {form for value in secrets for form in (value, json.dumps(value)[1:-1]) if form}
    for form in sorted(forms, key=len, reverse=True):
        # One of three letters may be part of any word: it is hidden where it is quoted.
        text = text.replace(form, HIDDEN) if len(form) > 3 else text.replace(f'"{form}"', f'"{HIDDEN}"')
    return text
