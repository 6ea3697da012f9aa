"""A class on a shared platform: a place, a login, a key and a budget for each learner, and nothing of the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from maas_lab.classroom import ending, handout, needs
from maas_lab.classroom.access import kubeconfig
from maas_lab.classroom.ending import Row
from maas_lab.classroom.learners import learners, logins_in, must_be_course
from maas_lab.classroom.making import Made, Making, Wishes
from maas_lab.classroom.money import Terms
from maas_lab.cluster import Cluster
from maas_lab.connecting import connect
from maas_lab.lab import MANIFESTS
from maas_lab.platform import Platform
from maas_lab.tables import Table

__all__ = ["Terms", "Wishes", "create", "delete", "overview"]


def create(
    course: str,
    count: int,
    wishes: Wishes,
    out: Path,
    users: Path | None = None,
    report: Callable[[str], object] = print,
) -> list[str]:
    """Make a class on the connected cluster, and write what its learners get.

    Args:
        course: its name.
        count: how many learners there are.
        wishes: what it is to be like.
        out: folder for the files.
        users: file with their names at the cluster's login; made, when left out.
        report: called with a line for each learner.

    Returns:
        What to tell the instructor, line by line; no secret is in it.

    Raises:
        UsageError: a name, a number or the folder cannot be taken.
        ClusterError: the instructor lacks a right.
    """
    theirs = learners(course, count, logins_in(users) if users else ())
    folder = handout.folder(out)
    with contextlib.closing(connect()) as lab:
        cluster, platform = lab.cluster, Platform(lab.cluster, lab.namespace)
        made = Making(cluster, platform, MANIFESTS, wishes).make(theirs, lambda name: report(f"{name} is ready"))
        portal = platform.portal_url if platform.has_portal else ""
        where = handout.Addresses(cluster.server, lab.gateway.url, portal, lab.model, wishes.accountants)
        configs = [kubeconfig(cluster, one.learner, one.token) for one in made.kept if one.token]
        handout.write(folder, made.kept, wishes.terms, where, configs)
        parts = [lab.overlay(part) for part in ("infrastructure", "models")]
        return _told(made, wishes, folder, needs.advice(cluster, parts, count))


def overview(course: str = "") -> Table[Row]:
    """Return the learners of a class on the connected cluster; of all classes, when it is left out."""
    if course:
        must_be_course(course)
    with _connected() as (cluster, platform):
        return ending.overview(cluster, platform, course)


def delete(course: str) -> list[str]:
    """End a class on the connected cluster; return what to tell the instructor.

    Raises:
        NotFound: there is no such class.
    """
    with _connected() as (cluster, platform):
        gone = ending.end(cluster, platform, course)
    told = [f"The class {course} has ended: {len(gone)} learners. What they spent stays booked, under their names."]
    if platform.has_portal:
        told.append(
            "The portal keeps its users: those that were made for the class cannot log in and have a cap of $0."
        )
    return told


@contextlib.contextmanager
def _connected() -> Iterator[tuple[Cluster, Platform]]:
    with contextlib.closing(connect()) as lab:
        yield lab.cluster, Platform(lab.cluster, lab.namespace)


def _told(made: Made, wishes: Wishes, folder: Path, advice: str) -> list[str]:
    told = [
        f"{len(made.kept)} learners. Hand out of {folder}: to each a page and a kubeconfig, to nobody credentials.csv."
    ]
    if made.unknown:
        names = ", ".join(made.unknown[:5]) + (" ..." if len(made.unknown) > 5 else "")
        told.append(
            f"Not capped at the portal yet: {names}. It knows people from their first login on: run this again then."
        )
    if wishes.accountants:
        told.append("Accountants read the gateway's administration key: each of these learners can see and change all.")
    if not made.limited:
        told.append("This cluster has no ClusterResourceQuota: nothing limits what a learner's namespaces hold.")
    if not made.follows:
        told.append("This cluster has no Argo CD: lesson 02 stops before exercise 2.6.")
    return [*told, *filter(None, [advice])]
