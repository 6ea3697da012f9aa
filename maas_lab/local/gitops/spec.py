"""Read what an Application asks for, and say what of it is wrong or cannot be done by the local controller."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from maas_lab import kustomize_options
from maas_lab.errors import ManifestError
from maas_lab.local.gitops import identity
from maas_lab.local.gitops.projects import IN_CLUSTER, SERVER, Project
from maas_lab.local.kube.store import Object

KNOWN_OPTIONS = {
    *("ApplyOutOfSyncOnly", "CreateNamespace", "FailOnSharedResource", "PruneLast", "RespectIgnoreDifferences"),
    *("Prune", "PrunePropagationPolicy", "ServerSideApply", "SkipDryRunOnMissingResource", "Validate"),
}
INVALID = "InvalidSpecError"
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
LONGEST_PAUSE_S = 86400.0
UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
ONLY_HERE = "the local cluster reads Git repositories of this machine: clone it, and write its folder as repoURL"


class Request(NamedTuple):
    """What is to be rendered.

    Attributes:
        repository: its folder on this machine.
        revision: branch, tag, commit, `HEAD`, or a range of versions among the tags.
        path: the folder in it.
        kustomize: the options for kustomize, as JSON; empty where there are none.
        recurse, include, exclude: which files of a plain folder count.
    """

    repository: str
    revision: str
    path: str
    kustomize: str = ""
    recurse: bool = False
    include: str = ""
    exclude: str = ""


class Retry(NamedTuple):
    """How often a sync that failed is tried again (below 0: for ever), after which pauses in seconds."""

    limit: int
    first_s: float
    factor: int
    longest_s: float

    def pause_s(self, count: int) -> float:
        """Return the pause before the try of this number, counted from 0."""
        return min(self.longest_s, self.first_s * self.factor ** min(count, 20))


def duration(text: str) -> float | None:
    """Return the seconds of a duration as Go writes it, such as `1m30s`; a bare number is seconds, None is wrong."""
    if text.isdecimal():
        return float(text)
    parts = DURATION.findall(text)
    whole = text and "".join(number + unit for number, unit in parts) == text
    return sum(float(number) * UNIT_S[unit] for number, unit in parts) if whole else None


def retry(told: Object | None) -> Retry:
    """Return the retry of an operation, with Argo CD's own values for what it does not say."""
    backoff = (told or {}).get("backoff") or {}
    seconds = [duration(backoff.get(name) or text) for name, text in (("duration", "5s"), ("maxDuration", "3m"))]
    first_s, longest_s = (found if found is not None else 5.0 for found in seconds)
    factor = min(max(1, backoff.get("factor", 2)), 1000)
    return Retry((told or {}).get("limit", 0), first_s, factor, min(longest_s, LONGEST_PAUSE_S))


def folder(address: str) -> Path | None:
    """Return the folder that a repoURL means on this machine, None for one elsewhere."""
    if address.startswith("/"):
        return Path(address)
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return Path(unquote(parts.path))
    return None


def request(app: Object, revision: str = "") -> Request:
    """Return what is to be rendered for an Application without problems, maybe at another revision."""
    source = app["spec"]["source"]
    found = folder(source["repoURL"])
    told = source.get("directory") or {}
    return Request(
        str(found),
        revision or source.get("targetRevision") or "HEAD",
        source.get("path", "."),
        json.dumps(options, sort_keys=True) if (options := source.get("kustomize")) else "",
        bool(told.get("recurse")),
        told.get("include", ""),
        told.get("exclude", ""),
    )


def problems(app: Object, project: Project | None) -> list[tuple[str, str]]:
    """Return the conditions, type and message, for what keeps an Application from being looked at.

    They are Argo CD's own where it has some.
    """
    spec, metadata = app["spec"], app["metadata"]
    if project is None:
        return [(INVALID, f"Application referencing project {spec['project']} which does not exist")]
    if not project.permits_application(metadata["namespace"]):
        where = f"application '{metadata['name']}' in namespace '{metadata['namespace']}'"
        why = f"sourceNamespaces of the AppProject in {identity.HOME} do not list it"
        return [("UnknownError", f"{where} is not allowed to use project {project.name}: {why}")]
    if project.has_windows:
        return [
            (INVALID, f"syncWindows of project {project.name} are not supported on the local cluster: take them away")
        ]
    wrong = (*_source(spec, project), *_destination(spec, project), *_unsupported(spec))
    return [(INVALID, one) for one in wrong]


def _source(spec: Object, project: Project) -> Iterator[str]:
    source = spec.get("source")
    if not source:
        yield "spec.source is required" + (": several sources are not supported here" if "sources" in spec else "")
        return
    address = source["repoURL"]
    if not project.permits_repository(address):
        yield f"application repo {address} is not permitted in project '{project.name}'"
    elif folder(address) is None:
        yield f"repository not accessible: {address}: {ONLY_HERE}"
    if "path" not in source:
        yield "spec.source.path is required: the folder in the repository, `.` for its root"
    elif PurePosixPath(source["path"]).is_absolute() or ".." in PurePosixPath(source["path"]).parts:
        yield f"{source['path']}: app path is absolute or leads out of the repository"
    for name in ("chart", "helm", "plugin", "ref"):
        if source.get(name):
            yield f"spec.source.{name} is not supported on the local cluster: kustomize and plain folders are"
    yield from _kustomize(source.get("kustomize") or {})
    if (source.get("directory") or {}).get("jsonnet"):
        yield "spec.source.directory.jsonnet is not supported on the local cluster"


def _kustomize(options: Object) -> Iterator[str]:
    for name in sorted(options.keys() - kustomize_options.KNOWN):
        yield f"spec.source.kustomize.{name} is not supported on the local cluster: write it into the overlay in Git"
    for one in options.get("replicas") or []:
        if not str(one["count"]).isdecimal():
            yield f"spec.source.kustomize.replicas: the count of {one['name']} is {one['count']!r}, and no number"
    for one in options.get("patches") or []:
        for name in sorted({*one, *(one.get("target") or {})} & {"annotationSelector", "labelSelector", "options"}):
            yield f"spec.source.kustomize.patches: {name} is not supported on the local cluster"
    for text in options.get("images") or []:
        try:
            kustomize_options.image(text)
        except ManifestError as error:
            yield error.what


def _destination(spec: Object, project: Project) -> Iterator[str]:
    wanted = spec["destination"]
    server, name, namespace = (wanted.get(one, "") for one in ("server", "name", "namespace"))
    if server and name:
        yield f"application destination can't have both name and server defined: {name} {server}"
    elif (server or name) not in (SERVER, IN_CLUSTER):
        there = f"there is no cluster {server or name or 'without name or server'}"
        yield f"application destination: {there}; this one is {SERVER}"
    elif not project.permits_destination(namespace):
        where = f"application destination server '{SERVER}' and namespace '{namespace}'"
        yield f"{where} do not match any of the allowed destinations in project '{project.name}'"


def _unsupported(spec: Object) -> Iterator[str]:
    policy = spec.get("syncPolicy") or {}
    for name in sorted(sync_options(spec, None).keys() - KNOWN_OPTIONS):
        yield f"sync option {name} is not supported on the local cluster: {', '.join(sorted(KNOWN_OPTIONS))} are"
    for name in ("duration", "maxDuration"):
        text = ((policy.get("retry") or {}).get("backoff") or {}).get(name)
        if text and duration(text) is None:
            yield f'spec.syncPolicy.retry.backoff.{name}: time: invalid duration "{text}"'
    ignored = spec.get("ignoreDifferences") or []
    if any(one.get("jqPathExpressions") for one in ignored):
        yield "spec.ignoreDifferences: jqPathExpressions are not supported on the local cluster: write jsonPointers"
    pointers = [pointer for one in ignored for pointer in one.get("jsonPointers") or []]
    for pointer in [one for one in pointers if not one.startswith("/")]:
        yield f'spec.ignoreDifferences: "{pointer}" is no JSON pointer to a field: write it as /spec/replicas'
    if spec.get("sourceHydrator"):
        yield "spec.sourceHydrator is not supported on the local cluster"


def unsupported_sync(sync: Object) -> str:
    """Return what an operation asks for that cannot be done here, empty if there is nothing."""
    strategy = sync.get("syncStrategy") or {}
    if any((strategy.get(name) or {}).get("force") for name in ("apply", "hook")):
        return "operation.sync.syncStrategy: force is not supported on the local cluster"
    for name in ("source", "sources", "revisions", "manifests"):
        if sync.get(name):
            return f"operation.sync.{name} is not supported on the local cluster: it syncs what spec.source says"
    if others := sorted(sync_options({}, sync).keys() - KNOWN_OPTIONS):
        return f"sync option {others[0]} is not supported on the local cluster"
    return ""


def sync_options(spec: Object, sync: Object | None) -> dict[str, str]:
    """Return the options of an operation, or of the Application where there is none, by name."""
    told = (spec.get("syncPolicy") or {}).get("syncOptions") if sync is None else sync.get("syncOptions")
    pairs = (one.partition("=") for one in told or [])
    return {name: value for name, _, value in pairs}


def automated(app: Object) -> Object | None:
    """Return how an Application syncs by itself, None if it does not."""
    told = (app["spec"].get("syncPolicy") or {}).get("automated")
    return told if told is not None and told.get("enabled", True) else None
