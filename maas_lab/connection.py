"""A connection to a Kubernetes API with typed errors: who it is to, as whom, and calls that return plain JSON."""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError, ResourceNotUniqueError
from kubernetes.dynamic.resource import Resource

from maas_lab import network, settings, trust
from maas_lab.errors import NotFound, UsageError
from maas_lab.kinds import Kind
from maas_lab.logins import Login
from maas_lab.rest import is_loopback
from maas_lab.statuses import Status, refusal, unreachable

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_SECRET_PARTS = ("data", "stringData")


Source = Path | Login | None  # a kubeconfig, or several joined by colons; a login; the pod's service account


class _Access(NamedTuple):
    """What a kubeconfig, a login, or the pod's service account says."""

    settings: client.Configuration
    user: str
    namespace: str
    authorities: ssl.SSLContext | None = None


class Answer(NamedTuple):
    """What came back from a call."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        """Return the parsed body.

        Raises:
            ClusterError: it is not JSON, so not the Kubernetes API's.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise refusal(Status(self.status, "", "", ())) from None


class _Client(DynamicClient):
    """The library's client with a time limit for every call, discovery's too, and without a file of what it found."""

    def __init__(self, client: client.ApiClient, timeout: float) -> None:
        # As a pair for connecting and reading: the library's release 35 takes no fraction of a second otherwise.
        self._timeout = (timeout, timeout)
        # The library's file lies at a guessable place that all users of a machine share.
        super().__init__(client, cache_file=f"{os.devnull}/none")

    def request(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Send a request."""
        return super().request(method, path, body, **{"_request_timeout": self._timeout, **params})


class Connection:
    """A Kubernetes API as one user sees it; nothing is sent before the first call. Threads may share one.

    Args:
        source: a kubeconfig, or several joined by colons; a login; None takes the token of the pod's service account.
        context: of the kubeconfig; its current one when left out.
        timeout: seconds to wait for an answer.

    Attributes:
        authority: the file of the authorities that sign for the server; None where this machine's own do.

    Raises:
        UsageError: there is no such file, context or token.
    """

    def __init__(self, source: Source, context: str | None = None, timeout: float = 30) -> None:
        access = _from_login(source) if isinstance(source, Login) else _from_file(source, context) if source else None
        access = access or _from_pod()
        self.server, self.user, self.namespace = access.settings.host, access.user, access.namespace
        self.authority: str | None = access.settings.ssl_ca_cert
        # A call that fails is told at once: the library would try four times, and log each.
        access.settings.retries = 0
        # Of so many threads each keeps its own; of more the library would complain in a log.
        access.settings.connection_pool_maxsize = 32
        access.settings.proxy = None if is_loopback(self.server) else network.proxy(self.server)
        access.settings.proxy_headers = network.proxy_headers(access.settings.proxy or "")
        self._timeout = timeout
        self._client = _client(access)
        self._dynamic: _Client | None = None
        self._lock = threading.RLock()  # what the library finds out about kinds is one dictionary for all threads

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def resource(self, kind: Kind) -> Resource:
        """Return how the server serves a kind.

        Raises:
            NotFound: it does not.
        """
        try:
            with self._lock:
                found = self._discovered().resources
                return self._discovering(lambda: found.get(api_version=kind.api_version, kind=kind.name))
        except (ResourceNotFoundError, ResourceNotUniqueError):
            what = f"the cluster does not serve the kind {kind.name} of {kind.api_version}"
            raise NotFound(what, hint="check apiVersion and kind; is the operator that brings it installed?") from None

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        subject: str = "this call",
        secrets: Iterable[str] = (),
        content_type: str = "application/json",
    ) -> Answer:
        """Call and return the answer.

        Args:
            method: `GET`, `POST` and so on.
            path: below the server's address.
            body: sent as JSON.
            query: parameters; those that are None are left out.
            subject: what the call is about, for errors.
            secrets: values of the body that no error may show.
            content_type: of the body.

        Raises:
            ClusterError: the cluster refused, failed, or did not answer; its subclass says which.
        """
        given = [(name, value) for name, value in (query or {}).items() if value is not None]
        # `Accept` is given, else a log that is plain text would be refused.
        extra = {"query_params": given, "content_type": content_type, "header_params": {"Accept": "*/*"}}
        dynamic = self._discovered()

        def send() -> Answer:
            answer = dynamic.request(method, path, body=body, serialize=False, **extra)
            return Answer(answer.status, answer.data, answer.headers)

        return self._safely(send, subject, secrets)

    def _discovered(self) -> _Client:
        with self._lock:
            if self._dynamic is None:
                self._dynamic = self._discovering(lambda: _Client(self._client, self._timeout))
            return self._dynamic

    def _discovering(self, call: Any) -> Any:
        try:
            return self._safely(call)
        except (ValueError, AttributeError, KeyError, TypeError):
            # The library read something that is not the Kubernetes API's, e.g. a login page.
            raise refusal(Status(0, "", "", ())) from None

    def _safely(self, call: Any, subject: str = "this call", secrets: Iterable[str] = ()) -> Any:
        # The library's errors hold whole answers, and so perhaps a secret: they are not chained to ours.
        try:
            return call()
        except ApiException as error:
            raise refusal(Status.read(error.status, error.body, [*secrets, *self._tokens()]), subject) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(error, self.server) from None

    def _tokens(self) -> list[str]:
        keys = self._client.configuration.api_key
        return [value.removeprefix("Bearer ") for value in keys.values() if isinstance(value, str)]


def secret_values(body: Mapping[str, Any]) -> list[str]:
    """Return the values of a Secret, encoded and decoded; nothing for every other kind."""
    if body.get("kind") != "Secret":
        return []
    parts = [body.get(part) for part in _SECRET_PARTS]
    values = [str(value) for part in parts if isinstance(part, Mapping) for value in part.values()]
    return [form for value in values for form in (value, *_other_forms(value))]


def _other_forms(value: str) -> list[str]:
    forms = [base64.b64encode(value.encode()).decode()]
    try:
        return [*forms, base64.b64decode(value, validate=True).decode()]
    except (binascii.Error, UnicodeDecodeError):
        return forms


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _client(access: _Access) -> client.ApiClient:
    chosen, authorities = access.settings, access.authorities
    if chosen.verify_ssl and not chosen.ssl_ca_cert:
        authorities = authorities or trust.machine()  # the library's release 35 does not look at SSL_CERT_FILE
    try:
        made = client.ApiClient(chosen)
    except (OSError, ValueError) as error:
        what, hint = "the certificates of the kubeconfig cannot be used", "log in again, or mend these lines"
        raise UsageError(what, str(error), hint) from None
    if authorities:
        # The library takes one file, and knows no other way.
        made.rest_client.pool_manager.connection_pool_kw["ssl_context"] = authorities
    return made


def _from_login(login: Login) -> _Access:
    chosen = client.Configuration()
    chosen.host = login.server
    chosen.api_key["authorization"] = f"Bearer {login.token.reveal()}"
    return _Access(chosen, "whose token it is", settings.project() or "default", trust.machine(*trust.pod()))


def _from_file(kubeconfig: Path, context: str | None) -> _Access:
    for file in str(kubeconfig).split(os.pathsep):
        if file and not Path(file).exists():
            hint = "`./lab kubeconfig` prints the lab's; for OpenShift, log in with `oc login`"
            raise UsageError(f"there is no kubeconfig {file}", "it does not exist", hint)
    chosen = client.Configuration()
    try:
        config.load_kube_config(str(kubeconfig), context, chosen, persist_config=False)
        contexts, current = config.list_kube_config_contexts(str(kubeconfig))
    except (ConfigException, OSError, yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError) as error:
        why = str(error).split("\n")[0] if isinstance(error, ConfigException | OSError) else "it is not a kubeconfig"
        hint = "`kubectl config get-contexts` shows the contexts it has"
        raise UsageError(f"the kubeconfig {kubeconfig} cannot be used", why, hint) from None
    if not _is_address(chosen.host):
        what = f"the kubeconfig {kubeconfig} names no address: `server: {chosen.host}`"
        raise UsageError(what, hint="it looks like https://api.example.com:6443")
    used = next((one for one in contexts if one["name"] == context), current)["context"]
    return _Access(chosen, used.get("user") or "nobody", used.get("namespace") or "default")


def _from_pod() -> _Access:
    chosen = client.Configuration()
    try:
        config.load_incluster_config(chosen)
        namespace = _POD_NAMESPACE.read_text(encoding="utf-8").strip()
    except (ConfigException, OSError) as error:
        what = "this process has no service account of a cluster"
        raise UsageError(what, str(error), "give a kubeconfig: Cluster(Path('~/.kube/config').expanduser())") from None
    return _Access(chosen, f"the service account of this pod in {namespace}", namespace)
