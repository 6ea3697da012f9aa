"""TROUBLESHOOTING.md: the list of all errors, grouped by where one meets them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from maas_lab.messages import EXERCISES, Message, errors, findings, of_script
from maas_lab.messages.source import Source
from maas_lab.messages.texts import HOLE

FILE = Path(__file__).parents[2] / "TROUBLESHOOTING.md"
COMMAND = "python -m maas_lab.messages"
HEAD = f"""\
# Every error of the lab

This page is written by `{COMMAND}` from the source of the lab; a test fails when it is not complete.
It shows what the lab says, in its own words, and {HOLE} where a name or a number of yours stands. To find your error,
search this page for some words of its first line that name nothing of yours. Then:

- **why** is the cause as far as it is known. Where it is only {HOLE}, a server or a program said it in its own words.
- **try** is the next step. Where there are several, the error itself shows the one that fits.

Two things are left out: the hints of exercises, which the checks give one by one, and what lesson 06 says while it
waits and checks, because it would tell what is broken there.

The errors that people meet most often, and those that are not the lab's own, are in the
[README](README.md#when-something-goes-wrong).
"""
# Where one meets an error, and the modules that speak there; the first pattern that fits counts.
GROUPS = (
    ("In a container's log", ("local/portal/*", "local/frontend/*", "local/programs/*")),
    ("A class", ("classroom/*", "cli_classroom.py")),
    ("GitOps", ("admission.py", "applications.py", "git.py", "gitops.py", "following.py", "local/gitops/*")),
    (
        "`./lab`: installing, starting, stopping",
        (
            "lab",
            "local/*",
            "cli.py",
            "shell.py",
            "settings.py",
            "config_file.py",
            "doctor.py",
            "jupyter.py",
            "bundle.py",
            "environment.py",
        ),
    ),
    ("Checks and exercises", ("checks/*", "client.py:NotQuite")),
    (
        "Lessons: building and running them, and the record",
        (
            *("blanks.py", "sources.py", "lessons.py", "runner.py", "parameters.py", "page.py"),
            *("course.py", "journal.py", "passes.py", "private.py", "record*.py", "signing.py"),
        ),
    ),
    ("Grading a cohort", ("grading/*",)),
    (
        "`connect()` and the cluster",
        (
            *(
                "access.py",
                "api.py",
                "cluster.py",
                "connecting.py",
                "connection.py",
                "diagnosis.py",
                "endpoints.py",
                "kinds.py",
                "lab.py",
                "logins.py",
            ),
            *("personas.py", "platform.py", "projects.py", "rights.py", "statuses.py", "waiting.py", "wait.py"),
        ),
    ),
    (
        "Manifests",
        (
            *(
                "manifests.py",
                "kustomization.py",
                "kustomize_options.py",
                "transformers.py",
                "renaming.py",
                "marking.py",
            ),
            *("patches.py", "yamlfile.py", "overlays.py"),
        ),
    ),
    (
        "The gateway: keys and calls",
        (
            "gateway*.py",
            "keys.py",
            "client.py",
            "refusals.py",
            "rest.py",
            "traffic.py",
            "rollout.py",
            "overshoot.py",
            "bookings.py",
        ),
    ),
    ("The portal and its forms", ("portal*.py", "login.py", "widgets/*")),
    (
        "Usage, bills and reports",
        ("usage*.py", "windows.py", "chargeback/*", "caps.py", "cap_shares.py", "report.py", "outfile.py"),
    ),
    ("The model server's metrics", ("metrics.py", "scraping.py", "engine.py")),
    (
        "Sharing, capacity, quantisation and the challenge",
        ("hoarding*", "capacity*", "quantisation/*", "challenge/*", "plots/*"),
    ),
)
ELSEWHERE = "Elsewhere"


def page() -> str:
    """Return the whole page."""
    source = Source()
    said: dict[str, list[Message]] = {}
    for one in [*errors(source), *of_script()]:
        # What only passes on the text of another error is told there.
        if one.has_words and not tells_a_cause(one):
            said.setdefault(group(one), []).append(one)
    names = [name for name, _ in GROUPS] + [ELSEWHERE]
    parts = [_table(name, said[name]) for name in names if name in said]
    return "\n".join([HEAD, *parts, _found(findings(source))])


def tells_a_cause(message: Message) -> bool:
    """Tell whether an error would give away what is broken in lesson 06."""
    waits = message.kind == "TookTooLong" and message.module.startswith("challenge/")
    return waits or message.module == "checks/challenge.py"


def group(message: Message) -> str:
    """Return under which heading a message stands."""
    for name, patterns in GROUPS:
        if any(fnmatch(message.module, one) or f"{message.module}:{message.kind}" == one for one in patterns):
            return name
    return ELSEWHERE


def search(line: str, known: Iterable[Message]) -> list[Message]:
    """Return the errors that a printed first line may be."""
    return [one for one in known if one.has_words and one.says(line.removeprefix(f"{one.kind}: "))]


def _table(name: str, messages: Iterable[Message]) -> str:
    rows = sorted((_cell(_line(one)), _cell(*one.why), _hints(one)) for one in messages)
    return "\n".join([f"## {name}", "", "| it says | why | try |", "|---|---|---|", *_rows(rows), ""])


def _found(messages: Iterable[Message]) -> str:
    told = "`./lab doctor` looks at the machine, `lab.doctor()` at the lab that a notebook is connected to."
    rows = sorted((_cell(one.what), _cell(*one.hint)) for one in messages)
    return "\n".join(["## What the doctors tell", "", told, "", "| topic | try |", "|---|---|", *_rows(rows), ""])


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    return (f"| {' | '.join(row)} |" for row in dict.fromkeys(rows))


def _line(message: Message) -> str:
    return f"{message.kind}: {message.what}" if message.kind else message.what


def _hints(message: Message) -> str:
    own = message.kind in EXERCISES and message.module.startswith("checks/") and message.what.startswith("Exercise")
    return "the check's next hint" if own else _cell(*message.hint)


def _cell(*texts: str) -> str:
    """Return texts as one cell of a table, without what Markdown would take for markup."""
    told = " **or** ".join(text.replace("\n", " ") if re.search(r"\w", text) else HOLE for text in texts)
    parts = re.split(r"(`[^`]*`)", told.replace("|", r"\|"))
    return "".join(part if number % 2 else _plain(part) for number, part in enumerate(parts))


def _plain(text: str) -> str:
    return re.sub(r"([<>$]|(?<!\*)\*(?!\*)|\[|\])", r"\\\1", text)
