"""Run the measurements that were named, or all of them, on a home of their own, and print a table each."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import caps, course, gitops, grade, install, kube, measures, portal, preflight, usage, workbench
from maas_lab import settings
from maas_lab.errors import LabError
from maas_lab.local import LocalCluster, runtime

CHOICES = {
    "start": measures.start,
    "memory": measures.memory,
    "gateway": measures.gateway_overhead,
    "portal": portal.load,
    "crowd": portal.course,
    "caps": caps.measure,
    "usage": usage.measure,
    "gitops": gitops.measure,
    "preflight": preflight.measure,
    "lesson": measures.lesson_run,
    "course": course.measure,
}
ALONE = {
    "kube": kube.measure,
    "install": install.measure,
    "workbench": workbench.measure,
    "grade": grade.measure,
}  # these need no running stack
HOURS = {"grade"}  # these take so long that they must be named


def show(console: Console, title: str, header: list[str], rows: list[list[str]]) -> None:
    table = Table(*header, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console.print(title, style="bold")
    console.print(table, "")


def on_a_stack(console: Console, names: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="maas-lab-bench-"))
    os.environ["MAAS_LAB_HOME"] = str(folder / "home")
    os.environ.setdefault("MAAS_LAB_RUNTIME", str(folder / "runtime"))
    settings.never_proxy_inside()
    cluster = LocalCluster()
    portal.enrol(cluster.home.root)
    try:
        runtime.install(cluster.settings.runtime_folder, lambda text, done, total: None)
        cluster.up()
        for name in names:
            show(console, *CHOICES[name](cluster))
    finally:
        cluster.down()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    names = sys.argv[1:] or [name for name in (*CHOICES, *ALONE) if name not in HOURS]
    console = Console(width=120)
    if unknown := [name for name in names if name not in {*CHOICES, *ALONE}]:
        console.print(f"unknown: {', '.join(unknown)}; there are: {', '.join((*CHOICES, *ALONE))}")
        return 2
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in told if "model name" in line), "unknown CPU")
    load = os.getloadavg()[0]
    console.print(
        f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, load {load:.1f} at the start\n"
    )
    if stack := [name for name in names if name in CHOICES]:
        on_a_stack(console, stack)
    for name in names:
        if name in ALONE:
            show(console, *ALONE[name]())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        sys.exit(error.exit_code)
