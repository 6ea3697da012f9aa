"""What an instructor hands out: one file of all credentials, and for each learner a page and a kubeconfig.

All of them are readable by their owner only (0600), in a folder that nobody else may enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from shlex import quote

from maas_lab import page
from maas_lab.amounts import dollars
from maas_lab.chargeback.tables import Column, Sheet, csv_text
from maas_lab.classroom.keeping import Kept
from maas_lab.classroom.money import Terms
from maas_lab.errors import UsageError
from maas_lab.private import write_private

CREDENTIALS = "credentials.csv"
_COLUMNS = ("learner", "login", "password", "portal", "gateway", "key", "budget", "namespace", "kubeconfig", "ends")
_APART = (
    "Your namespaces, your key and your login are yours alone: nobody else of the class can read or change them, and "
    "you cannot theirs. Who runs the platform sees what everybody used."
)
_TOGETHER = (
    "Your namespaces and your login are yours alone. But this class may administer the gateway: each of you can see "
    "and change the keys of all others, and what they used. Leave alone what you have not made."
)
_SAYS = (
    "Key and cluster access end by themselves on the day above. Whoever has this page can spend your budget: keep it "
    "to yourself, and tell your instructor if you lost it.",
)


@dataclass(frozen=True)
class Addresses:
    """Where the platform is, and who reaches what there.

    Attributes:
        gateway: without `/v1`.
        portal: empty where there is none.
        model: the name consumers call it by.
        together: whether the class may administer the gateway.
    """

    gateway: str
    portal: str
    model: str
    together: bool = False


def folder(path: Path) -> Path:
    """Make a folder that only its owner may enter.

    Raises:
        UsageError: it cannot be made, or it is somebody's home or the like: there already, and open to others.
    """
    path = path.expanduser()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = path.stat().st_mode & 0o077
    except OSError as error:
        raise UsageError(f"{path} cannot be used", error.strerror or "", "name another folder: --out DIR") from error
    if others:
        why = "others may read what lies in it, and there will be passwords and keys"
        hint = (
            f"name a new folder: --out DIR; or, if it is for this class only: chmod 700 {quote(str(path.absolute()))}"
        )
        raise UsageError(f"{path} is open to others", why, hint)
    return path


def write(out: Path, made: Sequence[Kept], terms: Terms, where: Addresses, kubeconfigs: Iterable[str]) -> list[Path]:
    """Write all files; those of an earlier run are replaced.

    Args:
        out: as `folder` made it.
        made: what each learner was given.
        terms: what each may spend.
        where: the platform is.
        kubeconfigs: one for each learner.

    Returns:
        The files.
    """
    files = {out / CREDENTIALS: credentials(made, terms, where)}
    for one, config in zip(made, kubeconfigs, strict=True):
        files[out / _file(one)] = config
        files[out / f"{one.learner.name}.html"] = page_of(one, terms, where)
    for file, content in files.items():
        write_private(file, content)
    return list(files)


def credentials(made: Iterable[Kept], terms: Terms, where: Addresses) -> str:
    """Return all credentials of a class as CSV; tokens are in the kubeconfigs."""
    return csv_text(_COLUMNS, [_line(one, terms, where) for one in made])


def page_of(kept: Kept, terms: Terms, where: Addresses) -> str:
    """Return a learner's page to print, with the key and the password in plain text."""
    learner, made = kept.learner, datetime.now(UTC)
    figures = {"Budget": dollars(terms.budget), "Ends": _day(kept), "Model": where.model}
    main = [
        page.section("Begin", _commands(kept)),
        page.section("Your access", page.table(_sheet(kept, where)) + _says(where)),
    ]
    head = page.header(f"MaaS lab: {learner.name}", f"Class {learner.course}. For {learner.login} only.", figures)
    return page.page(f"MaaS lab: {learner.name}", head, main, f"{made:%Y-%m-%d}")


def _line(kept: Kept, terms: Terms, where: Addresses) -> tuple[object, ...]:
    learner = kept.learner
    password = kept.password.reveal() if kept.password else ""
    key = kept.key.reveal() if kept.key else ""
    opened = (where.portal, where.gateway, key, terms.budget, learner.namespace, _file(kept), _day(kept))
    return (learner.name, learner.login, password, *opened)


def _sheet(kept: Kept, where: Addresses) -> Sheet:
    own = kept.password.reveal() if kept.password else "your own, as for everything in this organisation"
    rows = (
        ("Portal", where.portal),
        ("Name there", kept.learner.login),
        ("Password there", own),
        ("OpenAI API", f"{where.gateway}/v1"),
        ("Key", kept.key.reveal() if kept.key else ""),
        ("Your namespace", kept.learner.namespace),
    )
    shown = tuple(row for row in rows if row[1])
    return Sheet("Addresses and secrets", (Column("what", "What"), Column("value", "Value")), shown)


def _says(where: Addresses) -> str:
    return page.paragraphs((_TOGETHER if where.together else _APART, *_SAYS))


def _commands(kept: Kept) -> str:
    """Return how to begin, on a machine or in a workbench."""
    file = _file(kept)
    told = [
        f"Put the file {file} that belongs to this page into your clone of the lab, and there, in a terminal:",
        "In a workbench, where JupyterLab runs already, begin each notebook with the file instead:",
    ]
    shell = f'export MAAS_LAB_KUBECONFIG="$PWD/{file}"\n./lab doctor\n.venv/bin/jupyter lab notebooks'
    notebook = f'lab = connect("../{file}")'
    blocks = [f"<pre>{escape(text)}</pre>" for text in (shell, notebook)]
    return "".join(f"{page.paragraphs([text])}{block}" for text, block in zip(told, blocks, strict=True))


def _file(kept: Kept) -> str:
    return f"{kept.learner.name}.kubeconfig"


def _day(kept: Kept) -> str:
    return f"{kept.ends:%Y-%m-%d}" if kept.ends else ""
