"""A class on a shared platform: a place, a login, a key and a budget for each learner, and nothing of the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from maas_lab.amounts import dollars
from maas_lab.classroom import ending, handout
from maas_lab.classroom.access import kubeconfig
from maas_lab.classroom.ending import Row
from maas_lab.classroom.learners import Learner, counted, learners, logins_in, must_be_course
from maas_lab.classroom.making import Made, Making, Wishes
from maas_lab.classroom.money import Terms
from maas_lab.cluster import Cluster
from maas_lab.connecting import connect
from maas_lab.lab import MANIFESTS
from maas_lab.platform import Platform
from maas_lab.preflight import capacity
from maas_lab.preflight.room import Room
from maas_lab.preflight.rows import FAIL
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
        where = handout.Addresses(lab.gateway.url, portal, lab.model, wishes.accountants)
        configs = [kubeconfig(cluster, one.learner, one.token) for one in made.kept if one.token]
        handout.write(folder, made.kept, wishes.terms, where, configs)
        others = [one for one in ending.members(cluster, course) if one.number > count]
        return [*_told(made, wishes, folder), *_left_alone(others), *_lacking(Room(cluster, lab.namespace, count))]


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
    told = [f"The class {course} has ended: {counted(len(gone))}. What they spent stays booked, under their names."]
    if platform.has_portal:
        told.append(
            "The portal keeps its users: those that were made for the class cannot log in and have a cap of $0."
        )
    return told


@contextlib.contextmanager
def _connected() -> Iterator[tuple[Cluster, Platform]]:
    with contextlib.closing(connect()) as lab:
        yield lab.cluster, Platform(lab.cluster, lab.namespace)


def _told(made: Made, wishes: Wishes, folder: Path) -> list[str]:
    ends = min(f"{one.ends:%Y-%m-%d}" for one in made.kept)
    told = [
        f"{counted(len(made.kept))}, each with {dollars(wishes.terms.budget)} until {ends}.",
        f"Hand out of {folder}: to each a page and a kubeconfig, to nobody credentials.csv.",
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
    return told


def _left_alone(others: Sequence[Learner]) -> list[str]:
    """Return what to know of learners who are in the class, and whom this run has not touched."""
    if not others:
        return []
    names = ", ".join(one.name for one in others[:5]) + (" ..." if len(others) > 5 else "")
    told = f"{names} {'is' if len(others) == 1 else 'are'} in this class, too, and left as before, without a line in"
    all_of_them = f"./lab class create {others[-1].number} --name {others[-1].course}"
    return [f"{told} credentials.csv. With them: {all_of_them}"]


def _lacking(room: Room) -> list[str]:
    """Return what to mind where not all learners can deploy at once; nothing where they can, or nobody may tell."""
    rows = [row for row in capacity.nodes(room) if row.state == FAIL]
    return [f"Lessons 02 and 06 take {row.found}. Let learners take turns there, or add nodes." for row in rows]
