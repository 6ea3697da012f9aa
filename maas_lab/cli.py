"""The `./lab` command: names and help here, the work elsewhere."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from maas_lab import cli_classroom, cli_preflight, console, settings, wait
from maas_lab.errors import LabError, UsageError
from maas_lab.local import LocalCluster

ROOT = Path(__file__).parents[1]
INTERRUPTED = 130  # what shells return after Ctrl-C

app = typer.Typer(
    name="lab",
    help="The MaaS lab workbook: a real Models-as-a-Service stack on this machine, and the lessons that use it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
lessons_app = typer.Typer(no_args_is_help=True, help="Build or check the notebooks from their sources.")
app.add_typer(lessons_app, name="lessons")
app.add_typer(cli_classroom.app, name="class")


@app.command()
def up(
    no_jupyter: Annotated[bool, typer.Option("--no-jupyter", help="Only bring up the stack.")] = False,
    gitops: Annotated[bool, typer.Option("--gitops", help="Let it follow a Git repository in its home.")] = False,
    wheelhouse: Annotated[
        Path | None, typer.Option("--wheelhouse", metavar="DIR", help="Install from this folder and nothing else.")
    ] = None,
) -> None:
    """Bring up the stack and open the lessons in JupyterLab."""
    if wheelhouse:
        settings.use_wheelhouse(wheelhouse)
    cluster = LocalCluster()
    with console.progress() as report:
        fresh = cluster.up(report, gitops=gitops)
    found = cluster.endpoints()
    console.say(f"The lab is {'ready' if fresh else 'already running'}: portal {found['portal']}")
    console.say(f"The gateway's OpenAI API: {found['gateway']}/v1")
    console.say("For kubectl: export KUBECONFIG=$(./lab kubeconfig)")
    if not no_jupyter:
        _open_lessons(ROOT / "notebooks")


def _open_lessons(folder: Path) -> None:
    from maas_lab import jupyter

    if where := jupyter.address(folder):
        console.say(f"JupyterLab runs already: open {where}")
        return
    jupyter.start(folder)
    console.say("JupyterLab has ended; the lab goes on running. Stop it: ./lab down")


@app.command()
def down() -> None:
    """Stop every process of the lab and keep its data."""
    console.say("The lab has stopped; its data is kept." if LocalCluster().down() else "The lab was not running.")


@app.command()
def reset(
    yes: Annotated[
        bool, typer.Option("--yes", help="Really delete keys, spend rows, logs and the installation.")
    ] = False,
) -> None:
    """Stop the lab and delete what it made, nothing else."""
    cluster = LocalCluster()
    if not yes:
        raise UsageError(f"reset deletes the lab's data in {cluster.home.root}", hint="./lab reset --yes")
    left = cluster.reset()
    console.say(
        f"Deleted the lab in {cluster.home.root}" + (f"; kept what is yours: {', '.join(left)}" if left else "")
    )


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False) -> None:
    """Show whether the stack is ready, and each of its pods."""
    seen = LocalCluster().status()
    if as_json:
        print(json.dumps(seen, indent=1))
    else:
        console.status(seen)


@app.command()
def kubeconfig() -> None:
    """Print the path of the file that leads kubectl to the lab."""
    print(LocalCluster().kubeconfig_file())


@app.command()
def password(
    user: Annotated[str, typer.Argument(metavar="USER", help="alice, bob, carol or dave")],
) -> None:
    """Print a lab user's password for the portal."""
    typer.echo(LocalCluster().password(user))


@app.command()
def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a name that `./lab status` shows, supervisor or audit")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows, until Ctrl-C.")] = False,
) -> None:
    """Print the log of one pod, or of the supervisor.

    `audit` is the cluster's request log: who asked the Kubernetes API for what, a line of JSON each.
    """
    with LocalCluster().log(name).open(encoding="utf-8", errors="replace") as file:

        def print_new() -> bool:
            sys.stdout.write(file.read())
            sys.stdout.flush()
            return not follow

        wait.until(print_new, what="Ctrl-C", timeout=math.inf, every=0.2)


@app.command()
def run(
    lessons: Annotated[
        list[str] | None, typer.Argument(help="Lessons, e.g. 03_consumer; all when none is named.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for executed copies and summary.html, .json, junit.xml.")
    ] = Path("runs"),
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME VALUE", help="Set a lesson's parameter.")
    ] = None,
) -> None:
    """Execute the solutions and report what failed."""
    from maas_lab import runner
    from maas_lab.results import Recorder

    notebooks = runner.solutions_for(ROOT, lessons or [])
    if not (settings.kubeconfig() or settings.in_cluster()):
        LocalCluster().endpoints()  # refuses when nothing runs
    given = dict(one.split("=", 1) for one in parameter or [])
    with Recorder(out, [path.stem for path in notebooks], console.say) as recorder:
        with console.lesson_progress() as show:
            done = runner.run(notebooks, out, given, recorder.then(show))
        console.results(done)
    if not all(result.ok for result in done):
        raise typer.Exit(1)


@app.command()
def grade(
    folder: Annotated[Path, typer.Argument(metavar="SUBMISSIONS", help="One folder of notebooks for each learner.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for index.html, results.csv, .json, junit.xml and executed copies.")
    ] = Path("grades"),
    jobs: Annotated[
        int | None, typer.Option("-j", min=1, help="Learners at a time.", show_default="one for each core")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="LEARNER", help="Grade only this one.")] = None,
    on_cluster: Annotated[bool, typer.Option("--on-cluster", help="Grade in pods of the connected cluster.")] = False,
) -> None:
    """Grade a cohort: each learner on a lab of their own."""
    from maas_lab.grading import on_cluster as pods
    from maas_lab.grading import pool, report, telling
    from maas_lab.local import runtime

    plan = pool.Plan(out, jobs or 0, only or [], runtime=settings.load().runtime_folder)
    pool.read(folder, plan)  # refuses before anything is installed
    try:
        if on_cluster:
            cohort = pods.grade(folder, plan, pods.connected(), lambda event: console.say(telling.line(event)))
        else:
            with console.progress() as show:
                runtime.install(plan.runtime, show, (*runtime.STACK, "quantised"))  # all that lessons ask for
            cohort = pool.grade(folder, plan, lambda event: console.say(telling.line(event)))
    except KeyboardInterrupt:
        if done := pool.graded_before(folder, plan):
            console.say(telling.interrupted(done, report.write(done, out)))
        raise
    whole = report.merged(cohort, pool.graded_before(folder, plan) if only else [])
    console.say(telling.summary(cohort, report.write(whole, out)))
    if telling.failures(cohort):
        raise typer.Exit(1)


@lessons_app.command()
def build(
    force: Annotated[bool, typer.Option("--force", help="Execute every solution again.")] = False,
) -> None:
    """Write both notebooks of each lesson from its source."""
    from maas_lab import lessons

    written = lessons.build(ROOT, force=force)
    console.say("\n".join(f"wrote {path.relative_to(ROOT)}" for path in written) or "everything is in step")


@lessons_app.command()
def check() -> None:
    """Fail when a notebook differs from what its source gives."""
    from maas_lab import lessons

    if problems := lessons.check(ROOT):
        raise LabError(f"{len(problems)} notebooks are out of step", "; ".join(problems), "./lab lessons build")
    console.say("everything is in step")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run every test on a stack of its own; arguments go to pytest."""
    from maas_lab import shell

    arguments = context.args or []
    chosen = any((ROOT / argument.partition("::")[0]).exists() for argument in arguments)
    # All of them in two processes, because those of a running stack wait for it most of the time.
    parallel = [] if chosen else ["--numprocesses=2", "--dist=loadgroup"]
    argv = [sys.executable, "-m", "pytest", f"--rootdir={ROOT}", *parallel, *arguments]
    raise typer.Exit(shell.foreground(argv, cwd=ROOT))


@app.command()
def wheelhouse(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder, or one to go on with")],
) -> None:
    """Gather what `up` installs, for machines without a network."""
    from maas_lab.local import wheelhouse as maker

    with console.progress() as report:
        bundle = maker.make(folder.absolute(), report)
    console.wheelhouse(bundle)


@app.command()
def doctor() -> None:
    """Check this machine and say what to do.

    What a class needs of a cluster, this machine's own or another, is what `./lab preflight` looks at.
    """
    from maas_lab import doctor as doctor_module

    if not console.findings(doctor_module.examine_before(LocalCluster())):
        raise typer.Exit(1)


app.command()(cli_preflight.preflight)


def joined(arguments: list[str]) -> list[str]:
    """Write papermill's `-p name value` as the one argument `name=value` that typer can read.

    Raises:
        UsageError: the value is missing.
    """
    result, rest = [], iter(arguments)
    for argument in rest:
        result.append(argument)
        if argument == "-p":
            name, value = next(rest, None), next(rest, None)
            if value is None:
                raise UsageError("-p takes a name and a value", hint="./lab run 03_consumer -p calls 12")
            result.append(f"{name}={value}")
    return result


def main() -> None:
    """Run the command: exit code 0, 1 for a failure, 2 for wrong use, 130 for Ctrl-C."""
    settings.never_proxy_inside()
    # jsonschema builds a grammar of addresses when it is imported: a second, and no notebook's schema needs it.
    sys.modules.setdefault("rfc3987_syntax", None)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    arguments = sys.argv[1:]
    try:
        code = app(
            arguments if arguments[:1] != ["run"] else joined(arguments),
            prog_name="./lab",
            standalone_mode=False,
        )
    except typer.BadParameter.__base__ as error:  # click's UsageError, which newer typers bring along themselves
        path = error.ctx.command_path if error.ctx else "./lab"
        errors.print(f"{error.format_message()} See {path} --help", markup=False)
        code = 2
    except LabError as error:
        errors.print("\n".join(error.lines()), markup=False)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    if code == INTERRUPTED:  # some releases of typer catch Ctrl-C themselves and return this
        errors.print("Stopped by Ctrl-C.")
    sys.exit(code)
