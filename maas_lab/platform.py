"""What the platform in a namespace says of itself: gateway, portal, who may do what there, and the model."""

from __future__ import annotations

import contextlib
import functools
import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote

from maas_lab import endpoints, settings, trust
from maas_lab.access import serving_key, serving_runtime, serving_url
from maas_lab.cluster import Cluster
from maas_lab.errors import LoginFailed, NotAllowed, NotFound
from maas_lab.gateway import Gateway
from maas_lab.keys import ApiKey
from maas_lab.objects import KubeObject
from maas_lab.portal import Portal
from maas_lab.refusals import IN_CLASS
from maas_lab.settings import FACTS

if TYPE_CHECKING:
    import openai

    from maas_lab.scraping import EngineMetrics

OWN = "maas-lab-learner"  # the Secret with what is a learner's own


class Platform:
    """The platform in one namespace of a cluster.

    Args:
        cluster: the cluster, as one user of it.
        namespace: where the platform lives.

    Attributes:
        facts: what its ConfigMap `maas-lab` says.
        uid: of that ConfigMap: no other platform has it, and it is the same after a restart.
        model: the name consumers call the model by.

    Raises:
        NotFound: there is no platform in this namespace.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        facts = self._facts()
        self.facts, self.uid = facts["data"], facts["metadata"].get("uid", "")
        self.model = self.facts["model"]

    @property
    def is_here(self) -> bool:
        """Whether its pods are processes of this machine."""
        return self.cluster.version().endswith("maas-lab-local")

    def gateway(self) -> Gateway:
        """Return the gateway with its administrator's key; a learner of a class has a key of their own instead.

        Raises:
            NotAllowed: the user may not read the gateway's Secret, and has no key.
        """
        try:
            key = self.cluster.secret(self.facts["gateway-secret"], self.facts["gateway-secret-key"], self.namespace)
        except NotAllowed:
            if (own := self._own("gateway-key")) is None:
                raise
            key = own
        url = self.cluster.route_url(self.facts["gateway-route"], self.namespace)
        return Gateway(url, key, verify=self.trusted(url))

    def gateway_route(self) -> KubeObject:
        """Return the Route that leads to the gateway."""
        return self.cluster.get("Route", self.facts["gateway-route"], self.namespace)

    @property
    def gpu_resource(self) -> str:
        """What pods ask for to get a GPU, or what stands for one here."""
        return self.facts.get("gpu-resource", "nvidia.com/gpu")

    def engine(self, name: str | None = None, namespace: str | None = None) -> EngineMetrics:
        """Return the metrics of a model server.

        Args:
            name: of its InferenceService; that of the platform's model when left out.
            namespace: where it is; the platform's when left out.

        Raises:
            NotFound: there is no such InferenceService, or it has no address yet.
            NotAllowed: the user may not look at it.
        """
        from maas_lab.scraping import EngineMetrics  # pandas only for those who look

        service = self._model_server(name, namespace)
        url = serving_url(service)
        # Without a key vLLM still tells its metrics; llama.cpp refuses, and that error says what is missing.
        return EngineMetrics(url, self._serving_key(service), verify=self.trusted(url))

    def direct_client(self, name: str | None = None, namespace: str | None = None) -> openai.OpenAI:
        """Return a client that calls a model server past the gateway; arguments and errors as of `engine`."""
        from maas_lab.client import openai_client  # openai and pandas only for those who call

        service = self._model_server(name, namespace)
        url = serving_url(service)
        return openai_client(f"{url}/v1", self._serving_key(service) or "none", verify=self.trusted(url))

    def _model_server(self, name: str | None, namespace: str | None) -> KubeObject:
        name, namespace = name or self.model, namespace or self.namespace
        try:
            return self.cluster.get("InferenceService", name, namespace)
        except NotFound as error:
            hint = f"name another, as in lab.engine(name); `kubectl get isvc -n {namespace}` lists them"
            raise NotFound(f"no model server is named {name}", error.what, hint) from error

    def _serving_key(self, service: KubeObject) -> ApiKey | None:
        """Return the key that a model server wants; None where none is named, or the user may not read it."""
        namespace = service["metadata"]["namespace"]
        with contextlib.suppress(NotFound, NotAllowed):
            runtime = self.cluster.get("ServingRuntime", serving_runtime(service), namespace)
            if named := serving_key(service, runtime):
                return self.cluster.secret(*named, namespace)
        return None

    def database_url(self, host: str | None = None, port: int | None = None) -> ApiKey:
        """Return the address of the gateway's database with its password, which never shows itself.

        Args:
            host: where it is reached, e.g. `127.0.0.1` for a forwarded port; where its pod is, when left out.
            port: likewise.

        Raises:
            NotAllowed: the user may not read the database's Secret, or not look for its pod.
            NotFound: this platform does not say where its database is, or its pod is not ready.
        """
        if "database-service" not in self.facts:
            why = f"its ConfigMap {FACTS} names no `database-service`"
            hint = "ask its provider for the address: usage.DatabaseUsage(url); lab.usage needs none"
            raise NotFound(f"the platform in {self.namespace} does not say where its database is", why, hint)
        secret = self.facts["database-secret"]
        user, password = (self.cluster.secret(secret, one, self.namespace) for one in ("username", "password"))
        if host is None:
            host, found = endpoints.address(self.cluster, self.facts["database-service"], self.namespace)
            port = port or found
        login = ":".join(quote(one.reveal(), safe="") for one in (user, password))
        return ApiKey(f"postgresql://{login}@{host}:{port or 5432}/{self.facts['database-name']}")

    @property
    def has_portal(self) -> bool:
        """Whether people can get their keys by themselves here."""
        return "portal-route" in self.facts

    @property
    def portal_url(self) -> str:
        """The portal's address.

        Raises:
            NotFound: this platform has no portal, or its Route has no address.
        """
        if not self.has_portal:
            why = f"its ConfigMap {FACTS} names no `portal-route`"
            raise NotFound(f"the platform in {self.namespace} has no portal", why, "ask its provider")
        return self.cluster.route_url(self.facts["portal-route"], self.namespace)

    def login(self, persona: str, password: str | None = None) -> Portal:
        """Log in at the portal.

        Args:
            persona: `consumer`, `colleague` or `accountant`: the platform's ConfigMap says which user that is. Or a
                user's own name.
            password: theirs. When left out: the Secret that the ConfigMap names, else the token that the environment
                holds (`MAAS_LAB_TOKEN_CONSUMER` and so on).

        Raises:
            LoginFailed: name and password open nothing, or there is neither a password nor a token.
            NotFound: this platform has no portal.
        """
        # Where people log in is https, whatever the portal's own address is.
        url, trusted = self.portal_url, self._authorities
        user, known = self._who(persona)
        password = password or known or self._password(user)
        if password:
            return Portal.login(url, user, password, verify=trusted)
        if token := settings.portal_token(persona):
            return Portal(url, token, verify=trusted)
        raise self._nobody(persona)

    def _nobody(self, persona: str) -> LoginFailed:
        """Return the error for a persona of whom there is neither a password nor a token."""
        what = f"the lab cannot log in as {persona}"
        if persona != "consumer" and self._own("login"):
            return LoginFailed(what, "a learner of a class is the consumer, and nobody else", IN_CLASS)
        why = "there is no Secret with lab users that you may read, and no token in the environment"
        hint = (
            f"lab.login({persona!r}, password=getpass.getpass()) if your cluster has passwords; else log in at "
            f"{self.portal_url}, copy the token after `#token=` or from a request, and put it into "
            f"{settings.token_variable(persona)} before Jupyter starts"
        )
        return LoginFailed(what, why, hint)

    def _who(self, persona: str) -> tuple[str, str | None]:
        """Return which user a persona is, and their password if it is known: a learner of a class is the consumer."""
        name, password = (self._own(one) if persona == "consumer" else None for one in ("login", "password"))
        if name:  # whose own organisation lets them log in, has no password here
            return name.reveal(), password.reveal() if password else None
        return self.facts.get(f"portal-{persona}", persona), None

    def _own(self, key: str) -> ApiKey | None:
        """Return what `./lab class` keeps for the user in the namespace of their kubeconfig; None for all others."""
        if self.cluster.namespace in ("default", self.namespace):
            return None
        with contextlib.suppress(NotFound, NotAllowed):
            return self.cluster.secret(OWN, key, self.cluster.namespace)
        return None

    def _password(self, user: str) -> str | None:
        """Return a lab user's password, None where the provider keeps none for this lab."""
        if "portal-users-secret" not in self.facts:
            return None
        try:
            return self.cluster.secret(self.facts["portal-users-secret"], user, self.namespace).reveal()
        except (NotFound, NotAllowed):
            return None

    def trusted(self, url: str) -> ssl.SSLContext | bool:
        """Return whom to trust at an address of this platform, as httpx takes it."""
        return self._authorities if url.startswith("https:") else True

    def bundle(self, *, router: bool = False) -> str:
        """Return this machine's authorities and the cluster's own in PEM, for programs that take one file.

        Args:
            router: whether to add what OpenShift's router shows, which not everybody may read.
        """
        return trust.bundle(trust.of_cluster(self.cluster, self.namespace, router=router))

    @functools.cached_property
    def _authorities(self) -> ssl.SSLContext:
        """This machine's authorities, and the cluster's own, which sign for its login and its Routes."""
        return trust.machine(*trust.of_cluster(self.cluster, self.namespace))

    def _facts(self) -> KubeObject:
        try:
            return self.cluster.get("ConfigMap", FACTS, self.namespace)
        except NotFound as error:
            raise NotFound(
                f"{self.cluster.server} has no lab in the namespace {self.namespace}",
                f"there is no ConfigMap {FACTS} in it",
                "name its namespace: connect(namespace=...); manifests/README.md says how a provider makes one",
            ) from error
