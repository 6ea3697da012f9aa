"""The part of the `./lab` command that looks at a cluster before a class: names and help here, the work elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from maas_lab import console, settings

if TYPE_CHECKING:
    from maas_lab.preflight import Report


def preflight(
    learners: Annotated[
        int, typer.Option("--learners", metavar="N", min=1, help="How many are to work at the same time.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check the cluster before a class, and say what mends it.

    It looks at the cluster that lessons take, and at the platform there. It changes nothing, except that it makes a key
    for one call of the model, and deletes it: the call leaves a spend row. What this machine itself needs is what
    `./lab doctor` looks at. Exits 1 when a line is red.
    """
    report = _seen(learners)
    if as_json:
        print(json.dumps(report.as_json(), indent=1))
    else:
        console.rows(report)
    if report.is_red:
        raise typer.Exit(1)


def _seen(learners: int) -> Report:
    """Look at the cluster that `connect()` would take, without starting one."""
    from maas_lab import connecting, preflight

    found = connecting.meant(None, None, None, settings.namespaces(), is_whole=False)
    if isinstance(found, connecting.Choice):
        return preflight.examine(found, learners)
    return preflight.not_running(found or "the local lab is stopped, and no other cluster is named", learners)
