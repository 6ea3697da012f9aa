"""`connect()`: find the cluster that is meant, say why, and return its lab.

The first of these that is there is meant, and `lab.chosen` says which it was:

1. `server` and `token`, or `kubeconfig`, of the call;
2. a token that was pasted into `widgets.cluster_login()` in this notebook;
3. the kubeconfig of `MAAS_LAB_KUBECONFIG`, else of `KUBECONFIG`;
4. the local cluster, if it runs: then somebody has said `./lab up` here;
5. in a workbench, `~/.kube/config`: then somebody has said `oc login` in its terminal. On any other machine this file
   leads to a cluster of other work, where no learner should deploy by accident: `KUBECONFIG` chooses it all the same;
6. in a pod, its service account. In a workbench only where it may read the lab's ConfigMap, which the cluster is asked
   for: a workbench's own account usually may do nothing. In any other pod somebody gave it this account on purpose;
7. the local cluster, started.

A cluster that is meant and cannot be reached, or has no lab, is an error; the local one never takes its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from maas_lab import logins, personas, rights, settings
from maas_lab.api import Api
from maas_lab.cluster import Cluster
from maas_lab.connection import Connection, Source
from maas_lab.course import arrive
from maas_lab.errors import ClusterError, LabError, NotAllowed, NotFound, UsageError
from maas_lab.keys import ApiKey
from maas_lab.local import LocalCluster
from maas_lab.logins import Login
from maas_lab.settings import FACTS

if TYPE_CHECKING:
    from maas_lab.lab import Lab

_LOGINS = "`widgets.cluster_login()` in a cell, or `oc login` in a terminal"
_LOCAL = "for a lab of your own in this workbench instead: ./lab up"


class Choice(NamedTuple):
    """Which cluster is meant.

    Attributes:
        source: where its address and the user's token come from.
        why: this one, in words.
        machine: what runs it, where that is this machine.
        instead: how to get another one; empty where somebody named this one.
    """

    source: Source
    why: str
    machine: LocalCluster | None = None
    instead: str = ""


def connect(
    kubeconfig: Path | str | None = None,
    context: str | None = None,
    *,
    namespace: str | None = None,
    server: str | None = None,
    token: ApiKey | str | None = None,
) -> Lab:
    """Connect to the lab of a cluster; without one, to the local cluster, which is started when it does not run.

    A cluster that was chosen and cannot be reached is an error; the local one never takes its place.

    Args:
        kubeconfig: of the cluster. When left out: a token of `widgets.cluster_login()`, else `MAAS_LAB_KUBECONFIG`,
            else `KUBECONFIG`, else the local cluster if it runs, else what a workbench or a pod is logged in as, else
            the local cluster, started. `lab.chosen` says which it was.
        context: of the kubeconfig; its current one when left out.
        namespace: where the platform lives. When left out: `MAAS_LAB_NAMESPACE`, else the workbench's own project if
            there is a platform in it, else `maas-system`, which everybody shares.
        server: the address of a Kubernetes API; with `token`.
        token: the user's, e.g. `getpass.getpass()`; one that stands in a cell is saved with the notebook.

    Raises:
        LabError: there is no such cluster or no lab on it, or the local one cannot be started; says what to do.
    """
    settings.never_proxy_inside()
    chosen = choose(kubeconfig, context, _login(server, token), [namespace] if namespace else settings.namespaces())
    cluster, place = Cluster(chosen.source, context), namespace or settings.namespace()
    try:
        place = namespace or place_of(cluster, chosen)
        return _arrived(cluster, place, chosen)
    except LabError as error:
        if isinstance(error, NotAllowed):
            error.hint += _request(cluster, place)
        if chosen.instead:
            error.hint += f"\nthis cluster was chosen {chosen.why}; {chosen.instead}"
        cluster.close()
        raise


def _arrived(cluster: Cluster, namespace: str, chosen: Choice) -> Lab:
    from maas_lab.lab import Lab  # with OpenAI's SDK and pandas, which asking for a cluster does not need

    lab = Lab(cluster, namespace, chosen.machine, chosen.why + _project())
    arrive(lab.place)
    return lab


def choose(
    kubeconfig: Path | str | None, context: str | None, login: Login | None, namespaces: Sequence[str]
) -> Choice:
    """Return the cluster that is meant, as `connect` tells; only the last one is started.

    Args:
        kubeconfig: that somebody has named.
        context: that somebody has named.
        login: that somebody has given.
        namespaces: where the platform may live.

    Raises:
        LabError: the pod's own cluster does not answer, or the local one cannot be started.
    """
    found = meant(kubeconfig, context, login, namespaces)
    if isinstance(found, Choice):
        return found
    if found:
        print(found)
    print("The local lab is not running: starting it (the first time takes about a minute).")
    local = LocalCluster()
    local.up()
    return Choice(local.kubeconfig, "the local cluster, because no other is named here", local)


def meant(
    kubeconfig: Path | str | None,
    context: str | None,
    login: Login | None,
    namespaces: Sequence[str],
    *,
    is_whole: bool = True,
) -> Choice | str:
    """Return the cluster that is meant and is there, without starting any; else why not another one, in words.

    Args:
        kubeconfig: as for `choose`.
        context: as for `choose`.
        login: as for `choose`.
        namespaces: as for `choose`.
        is_whole: whether the local cluster counts only when all of its platform is ready.

    Raises:
        LabError: the pod's own cluster does not answer.
    """
    if named := _named(kubeconfig, context, login):
        return named
    local = LocalCluster()
    status = local.status()
    if status["ready"] or not (is_whole or status["phase"] == "stopped"):
        return Choice(local.kubeconfig, "the local cluster, because it runs on this machine", local)
    file = settings.workbench_kubeconfig()
    if file and _has_login(file):
        return Choice(file, "by ~/.kube/config: oc login in this workbench", instead=_LOCAL)
    if not settings.in_cluster():
        return ""
    if not settings.project():  # a Job, say: whoever made it gave it this account
        return Choice(None, "by this pod's service account")
    why, may = _account(namespaces)
    if may:
        return Choice(None, "by this workbench's service account: nobody has logged in", None, _LOCAL)
    return f"Nobody has logged in to a cluster here ({_LOGINS}), and {why}."


@contextlib.contextmanager
def stopped_again() -> Iterator[None]:
    """Stop the local cluster after the block, however that ends, if it was started in the block by this process."""
    local = LocalCluster()
    ran = local.status()["phase"] != "stopped"
    try:
        yield
    finally:
        if local.is_ours and not ran:
            local.down()


def _login(server: str | None, token: ApiKey | str | None) -> Login | None:
    if bool(server) != bool(token):
        missing = "server" if token else "token"
        what = f"`{missing}` is missing"
        raise UsageError(what, "a token and the address of its API belong together", f"connect({missing}=...) as well")
    return Login.of(server, token) if server and token else None


def _named(kubeconfig: Path | str | None, context: str | None, login: Login | None) -> Choice | None:
    """Return the cluster that somebody has named; None where nobody has."""
    if kubeconfig and login:
        raise UsageError("these are two clusters", "a kubeconfig and a token", "give one of them to connect()")
    if login:
        return Choice(login, "by the token that connect() was given")
    if kubeconfig:
        return Choice(Path(kubeconfig).expanduser(), "by the kubeconfig that connect() was given")
    if (kept := logins.kept()) and not context:
        return Choice(kept, "by the token that was pasted in this notebook")
    if file := settings.kubeconfig():
        return Choice(file, f"by {settings.kubeconfig_variable()}")
    return None


def _project() -> str:
    """Return in which project this workbench is, to be said after the reason; nothing elsewhere."""
    project = settings.project()
    return f"; this workbench is in the project {project}" if project else ""


def _has_login(kubeconfig: Path) -> bool:
    """Tell whether somebody is logged in by a kubeconfig: `oc logout` leaves it there without the token."""
    try:
        found = yaml.safe_load(kubeconfig.read_text(encoding="utf-8")) or {}
        contexts, users = ({one["name"]: one for one in found.get(part) or ()} for part in ("contexts", "users"))
        current = contexts.get(found.get("current-context"))
        return bool(current and (users.get(current["context"]["user"]) or {}).get("user"))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return True  # whoever tries to use it says what is wrong with it


def _account(namespaces: Sequence[str]) -> tuple[str, bool]:
    """Ask the cluster whether the pod's account may read the lab; return what to say of it, and the answer."""
    try:
        api = Api(Connection(None))
    except UsageError:
        return "this pod has no service account", False
    try:
        asked = [one for place in namespaces for one in rights.permissions(api, ["get configmaps"], place, name=FACTS)]
    except ClusterError as error:
        error.hint += f"\nthis is the workbench's own cluster; {_LOCAL}"
        raise
    finally:
        api.connection.close()
    return f"this pod's own account may not read the lab in {namespaces[-1]}", any(one.allowed for one in asked)


def place_of(cluster: Cluster, chosen: Choice) -> str:
    """Return the namespace where the platform lives: a workbench's own project may hold one."""
    *own, shared = settings.namespaces()
    for place in [] if chosen.machine else own:
        with contextlib.suppress(NotFound, NotAllowed):
            cluster.get("ConfigMap", FACTS, place)
            return place
    return shared


def _request(cluster: Cluster, namespace: str) -> str:
    """Return what to send to an administrator, for who may not connect; nothing where the cluster does not tell."""
    with contextlib.suppress(LabError):
        asked = personas.rights(cluster, namespace, [personas.CONNECTING])
        return f"\nor send this to an administrator:\n{asked.request_for(asked.user, personas.CONNECTING)}"
    return ""
