"""`./lab class`: a class on a shared platform, made, listed and ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maas_lab import console
from maas_lab.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Make, list and end classes on a shared platform.")
NAME = Annotated[str, typer.Option("--name", metavar="CLASS", help="The name of the class.")]


@app.command()
def create(
    count: Annotated[int, typer.Argument(metavar="N", help="How many learners; a larger number adds to a class.")],
    name: NAME = "class",
    budget: Annotated[float, typer.Option("--budget", metavar="DOLLARS", min=0.01, help="What each may spend.")] = 25.0,
    days: Annotated[
        int, typer.Option("--days", min=1, max=365, help="After which keys and access to the cluster end.")
    ] = 7,
    out: Annotated[Path, typer.Option("--out", help="Folder for credentials.csv, pages and kubeconfigs.")] = Path(
        "class"
    ),
    users: Annotated[
        Path | None, typer.Option("--users", help="File with their names at the cluster's login, one a line.")
    ] = None,
    accountants: Annotated[
        bool,
        typer.Option("--accountants", help="Let them do the accountant's part, too: they see everybody's numbers."),
    ] = False,
    renew: Annotated[bool, typer.Option("--renew", help="Replace passwords, keys and tokens.")] = False,
) -> None:
    """Give each learner a namespace, a login, a key and a budget; what is there already stays as it is."""
    from maas_lab import classroom

    wishes = classroom.Wishes(classroom.Terms(budget, days), accountants, renew)
    console.say("\n".join(classroom.create(name, count, wishes, out, users, console.say)))


@app.command("list")
def list_(name: NAME = "") -> None:
    """Show the learners of a class, or of all, with what they spent."""
    from maas_lab import classroom

    print(repr(classroom.overview(name)))


@app.command()
def delete(
    name: NAME = "class",
    yes: Annotated[bool, typer.Option("--yes", help="Really delete namespaces, keys and logins.")] = False,
) -> None:
    """End a class: its namespaces with all that is in them, keys, logins and rights."""
    from maas_lab import classroom

    if not yes:
        raise UsageError(
            f"delete ends the class {name} and all that its learners made",
            hint=f"./lab class delete --name {name} --yes",
        )
    console.say("\n".join(classroom.delete(name)))
