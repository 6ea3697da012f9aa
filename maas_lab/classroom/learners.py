"""The learners of a class: their names, and what is theirs under these names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maas_lab.access import own_namespace
from maas_lab.errors import UsageError
from maas_lab.personas import FOLLOWS, LESSONS, ROLE

MOST = 200  # learners of a class
COURSE, LEARNER, LOGIN = "maas-lab/class", "maas-lab/learner", "maas-lab/login"
ACCOUNT = "learner"  # the ServiceAccount in each learner's namespace
_COURSE = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
# No blank, no quote, no colon, and nothing at the beginning that a spreadsheet takes for a formula.
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


@dataclass(frozen=True)
class Learner:
    """One learner.

    Attributes:
        course: the name of the class.
        number: from 1.
        login: their name at the cluster's login, and so at the portal.
    """

    course: str
    number: int
    login: str

    @property
    def name(self) -> str:
        """E.g. `class-01`; the name of their key, too."""
        return f"{self.course}-{self.number:02d}"

    @property
    def namespace(self) -> str:
        """Their own namespace, where their account is."""
        return f"{ROLE}-{self.name}"

    @property
    def user(self) -> str:
        """Who they are for the cluster."""
        return f"system:serviceaccount:{self.namespace}:{ACCOUNT}"

    @property
    def lesson_namespaces(self) -> list[str]:
        """The namespaces that lessons make for them."""
        return [own_namespace(f"{ROLE}-{lesson}", self.user) for lesson in LESSONS]

    @property
    def followed_namespaces(self) -> list[str]:
        """The namespaces in which a lesson follows Git for them, by kubeconfig or logged in."""
        return [own_namespace(f"{ROLE}-{FOLLOWS}", who) for who in (self.user, self.login)]

    @property
    def labels(self) -> dict[str, str]:
        """What marks objects as theirs."""
        return {COURSE: self.course, LEARNER: self.name}

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> Learner:
        """Return whose namespace this is, as its labels tell."""
        meta = namespace["metadata"]
        course, name = (meta["labels"][one] for one in (COURSE, LEARNER))
        return cls(course, int(name.rpartition("-")[2]), (meta.get("annotations") or {}).get(LOGIN, name))


def must_be_course(name: str) -> None:
    """Refuse what cannot be the name of a class.

    Raises:
        UsageError: it is none.
    """
    if not _COURSE.fullmatch(name):
        why = "namespaces are named after it: at most 20 of a to z, 0 to 9 and -, a letter first and no - at the end"
        raise UsageError(f"{name!r} cannot be the name of a class", why, "choose another: --name spring-26")


def learners(course: str, count: int, logins: Sequence[str] = ()) -> list[Learner]:
    """Return the learners of a class.

    Args:
        course: its name.
        count: how many there are.
        logins: their names at the cluster's login; made of the class's name when left out.

    Raises:
        UsageError: the name or the number is none, or there are not as many logins.
    """
    must_be_course(course)
    if not 1 <= count <= MOST:
        raise UsageError(f"a class has 1 to {MOST} learners, not {count}", hint="./lab class create 20")
    if logins and len(logins) != count:
        why = "each learner has one line, in the order of the numbers"
        raise UsageError(
            f"there are {len(logins)} names for {count} learners", why, f"./lab class create {len(logins)}"
        )
    plain = [Learner(course, number, "") for number in range(1, count + 1)]
    return [
        Learner(course, one.number, login) for one, login in zip(plain, logins or [p.name for p in plain], strict=True)
    ]


def logins_in(file: Path) -> list[str]:
    """Return the names of people in a file, one a line; empty lines and those that begin with # are left out.

    Raises:
        UsageError: the file cannot be read, a line is no name, or one is there twice.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{file} cannot be read", why, "give a text file with one name a line") from error
    names = [line for line in lines if line and not line.startswith("#")]
    for name in names:
        if not _LOGIN.fullmatch(name) or names.count(name) > 1:
            why = "it is there twice" if names.count(name) > 1 else "a name is of letters, digits and . _ @ -"
            raise UsageError(f"{name!r} in {file} cannot be taken", why, "correct that line")
    return names


def counted(count: int) -> str:
    """Return how many learners, in words, e.g. `1 learner`."""
    return f"{count} learner{'' if count == 1 else 's'}"


def in_order(namespaces: Iterable[Mapping[str, Any]]) -> list[Learner]:
    """Return whose namespaces these are, class by class."""
    return sorted(map(Learner.of, namespaces), key=lambda one: (one.course, one.number))
