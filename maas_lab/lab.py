"""A connected lab: what a lesson has in its hands; it never knows which one it got."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import openai

from maas_lab import checkup, outfile, personas, reality
from maas_lab.client import Curl, openai_client
from maas_lab.cluster import Cluster
from maas_lab.course import Place
from maas_lab.errors import UsageError
from maas_lab.journal import Journal
from maas_lab.keys import ApiKey
from maas_lab.links import Link
from maas_lab.local import LocalCluster
from maas_lab.personas import Rights
from maas_lab.platform import Platform
from maas_lab.portal import Portal
from maas_lab.reality import Part
from maas_lab.tables import Finding, Table
from maas_lab.usage_gateway import GatewayUsage

if TYPE_CHECKING:
    from maas_lab.challenge import Challenge
    from maas_lab.gitops import GitOps
    from maas_lab.record import Record
    from maas_lab.scraping import EngineMetrics
    from maas_lab.usage_database import DatabaseUsage

MANIFESTS = Path(__file__).parents[1] / "manifests"


class Lab:
    """A connected lab: a cluster, gateway and portal in one of its namespaces, and the model that they offer.

    Args:
        cluster: the cluster, as one user of it.
        namespace: where the platform lives; its ConfigMap `maas-lab` says the rest.
        machine: what runs the cluster on this machine; None when it runs elsewhere.
        chosen: why this cluster, in words.

    Attributes:
        chosen: why this cluster, e.g. `by ~/.kube/config: oc login in this workbench`; empty where nobody chose.
        cluster: for the provider: apply, wait, pods, logs, events.
        namespace: where the platform lives.
        gateway: for whoever administers the gateway.
        model: the name consumers call the model by.

    Raises:
        NotFound: there is no platform in this namespace.
        NotAllowed: the user may not read the gateway's Secret.
    """

    def __init__(self, cluster: Cluster, namespace: str, machine: LocalCluster | None = None, chosen: str = "") -> None:
        self.cluster, self.namespace, self._machine, self.chosen = cluster, namespace, machine, chosen
        self._platform = Platform(cluster, namespace)
        self.model, self.gateway = self._platform.model, self._platform.gateway()

    @property
    def place(self) -> Place:
        """The lab, as the learner's own files name it."""
        return Place.of(self.cluster.server, self._platform.uid)

    @property
    def journal(self) -> Journal:
        """What the lessons measured on this lab: `lab.journal.of("03")`, and who has not measured yet."""
        return Journal(self.place)

    def record(self, name: str = "") -> Record:
        """Return which exercises of the course were passed here, when, and with how many hints.

        Args:
            name: of the learner, for the page that `.save("record.html")` writes.

        Raises:
            UsageError: the lab's file of passed exercises was changed by hand, or is damaged.
        """
        from maas_lab import record  # what the checks need, not everybody needs

        return record.today(name)

    @property
    def url(self) -> str:
        """The base URL of the OpenAI API, as an SDK wants it."""
        return f"{self.gateway.url}/v1"

    @property
    def portal_url(self) -> str:
        """The portal's address.

        Raises:
            NotFound: this platform has no portal.
        """
        return self._platform.portal_url

    @property
    def portal_page(self) -> Link:
        """A link to the portal, for your browser; it works in a workbench, too."""
        return Link(self.portal_url, "Open the portal")

    def login(self, persona: str = "consumer", password: str | None = None) -> Portal:
        """Log in at the portal, and return it as that user sees it.

        Args:
            persona: `consumer`, `colleague` or `accountant`; the platform says who that is. Or a user's own name.
            password: theirs; not needed for the lab users that the provider has made, nor where the environment holds
                a token (`MAAS_LAB_TOKEN_CONSUMER`, `MAAS_LAB_TOKEN_ACCOUNTANT`).

        Raises:
            LoginFailed: name and password open nothing, or there is neither; says what to do.
        """
        return self._platform.login(persona, password)

    def real(self) -> Table[Part]:
        """Return what runs here under each name, and whether it is real, as cluster and gateway tell it.

        Raises:
            NotAllowed: the user may not look at pods.
        """
        return reality.parts(self._platform, self.gateway)

    def rights(self) -> Rights:
        """Ask the cluster what you may do of all that the lessons do; `.to_ask()` says what to ask for."""
        return personas.rights(self.cluster, self.namespace)

    def doctor(self) -> Table[Finding]:
        """Look at everything that the lessons need, and return a row for each with what to do about it.

        Where the cluster runs on this machine, the machine is looked at, too, as `./lab doctor` does.
        """
        found = Table(Finding, list(checkup.examine(self)))
        if self._machine:
            from maas_lab import doctor  # what it takes to look at a machine is not needed to call a model

            found += doctor.examine(self._machine)
        return found

    @property
    def gpu_resource(self) -> str:
        """What pods ask for to get a GPU, e.g. `nvidia.com/gpu`, or what stands for one here."""
        return self._platform.gpu_resource

    def engine(self, name: str | None = None, namespace: str | None = None) -> EngineMetrics:
        """Return a model server's own metrics: how busy it is, and how many tokens it takes and gives.

        Args:
            name: of its InferenceService; that of the lab's model when left out.
            namespace: where it is; where the platform lives, when left out.

        Raises:
            NotFound: there is no such model server, or it has no address yet.
            NotAllowed: the user may not look at it.
        """
        return self._platform.engine(name, namespace)

    def direct_client(self, name: str | None = None, namespace: str | None = None) -> openai.OpenAI:
        """Return a client that calls a model server past the gateway, unseen by whoever counts.

        Args:
            name: of its InferenceService; that of the lab's model when left out.
            namespace: where it is; where the platform lives, when left out.

        Raises:
            NotFound: there is no such model server, or it has no address yet.
            NotAllowed: the user may not look at it.
        """
        return self._platform.direct_client(name, namespace)

    @property
    def challenge(self) -> Challenge:
        """The challenge of lesson 06: `lab.challenge.start()` makes a platform of your own that breaks in six ways."""
        from maas_lab.challenge import Challenge  # only for those who are on call

        return Challenge(self)

    @property
    def gitops(self) -> GitOps:
        """The deployment repository and what follows it; `lab.gitops.create()` makes both."""
        from maas_lab.gitops import GitOps

        return GitOps(self.cluster, self.namespace, MANIFESTS, self._platform.facts, is_here=self._platform.is_here)

    @property
    def manifests(self) -> Path:
        """The folder of all manifests, `infrastructure` and `models` below it."""
        return MANIFESTS

    def overlay(self, part: str) -> Path:
        """Return the folder of manifests that this cluster runs.

        Args:
            part: `infrastructure`, `models`, or `quantised`: one model in several precisions.

        Raises:
            UsageError: this platform has no such part, or this installation has no manifests.
        """
        facts, end = self._platform.facts, "-overlay"
        if f"{part}{end}" not in facts:
            known = [f'lab.overlay("{one.removesuffix(end)}")' for one in sorted(facts) if one.endswith(end)]
            raise UsageError(f"there is no part {part!r}", hint=" or ".join(known))
        folder = MANIFESTS / facts[f"{part}{end}"]
        if not folder.is_dir():
            raise UsageError(f"{folder} is not there", hint="run the lessons from a clone of the lab's repository")
        return folder

    @property
    def usage(self) -> GatewayUsage:
        """Who has used what, as the gateway's spend rows tell it: `lab.usage.rows(usage.last(24))`."""
        return GatewayUsage(self.gateway)

    def usage_database(self, host: str | None = None, port: int | None = None) -> DatabaseUsage:
        """Return the same as `usage`, read from the gateway's database, for who may read its password's Secret.

        It works where the database can be reached, as in the cluster. From elsewhere forward a port first, with
        `oc port-forward service/postgres 5432 -n maas-system`, and give `host="127.0.0.1"`.

        Args:
            host: where the database is reached; where its pod is, when left out.
            port: likewise.

        Raises:
            NotAllowed: the user may not read the Secret; `usage` asks the gateway instead.
            NotFound: this platform does not say where its database is, or it is not ready.
        """
        from maas_lab.usage_database import DatabaseUsage  # PostgreSQL's client only for those who want it

        return DatabaseUsage(self._platform.database_url(host, port).reveal())

    def client(self, key: ApiKey | str) -> openai.OpenAI:
        """Return a stock OpenAI client that calls this gateway with a key."""
        return openai_client(self.url, key, verify=self.trusted(self.url))

    def trusted(self, url: str) -> ssl.SSLContext | bool:
        """Return whom to trust at an address of this platform, as httpx takes it (`verify`)."""
        return self._platform.trusted(url)

    def authorities(self, file: Path | str = "ca.pem") -> Path:
        """Write the certificates to trust into a file, for programs that do not ask the cluster, e.g. curl.

        They are this machine's, the cluster's, and those that OpenShift's router shows. What `lab` hands out needs no
        such file. For the others: `%env SSL_CERT_FILE=ca.pem` in a cell, or `export SSL_CERT_FILE=ca.pem`.

        Args:
            file: is replaced when it is there.

        Raises:
            UsageError: it cannot be written.
        """
        return outfile.write(file, self._platform.bundle(router=True).encode())

    def curl(self, key: ApiKey | str, prompt: str, max_tokens: int = 32) -> Curl:
        """Return the curl command that asks the model, as the portal shows it; it prints with the key masked."""
        trusted = self._platform.bundle() if self.url.startswith("https:") else ""
        return Curl(self.url, key, prompt, model=self.model, max_tokens=max_tokens, authorities=trusted)

    def close(self) -> None:
        """Close the connections."""
        self.gateway.close()
        self.cluster.close()

    def __repr__(self) -> str:
        version = self.cluster.version()
        where = "local processes on this machine" if self._platform.is_here else self.cluster.server
        gateway = f"LiteLLM {self.gateway.version()} at {self.gateway.url}"
        cluster = f"Kubernetes {version}, {where}, namespace {self.namespace}"
        portal = f"\n  portal:  {self.portal_url}" if self._platform.has_portal else ""
        you = f"\n  you:     {self.cluster.whoami()}, {self.chosen}" if self.chosen and not self._machine else ""
        return f"Lab\n  cluster: {cluster}{you}\n  gateway: {gateway}{portal}\n  model:   {self.model}"
