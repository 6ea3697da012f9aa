"""The local cluster: bring it up, take it down, look at it, remove it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from maas_lab import settings, wait
from maas_lab.errors import (
    ClusterUnreachable,
    EnvironmentFault,
    GatewayUnreachable,
    NotRunning,
    PortalUnreachable,
    StackError,
    UsageError,
)
from maas_lab.local import processes, runtime
from maas_lab.local.home import Home, told_plainly
from maas_lab.local.packages import Report
from maas_lab.local.postgres import account_problem

PACKAGE_ROOT = Path(__file__).parents[2]
START_S = 180.0
END_S = 150.0  # twice the longest grace period of the platform's pods, and some more
COMPONENTS = {"database", "gateway", "model", "network", "portal", "portal-pages"}
HOPELESS = ("CrashLoopBackOff", "CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff")
_spawned: list[tuple[Path, psutil.Popen]] = []  # by home; children that outlive the call: kept, for their exit code


def silent(text: str, done: int, total: int) -> None:
    """Report nothing."""


class LocalCluster:
    """One home's stack of real local processes.

    Args:
        chosen: the settings; by default those of the environment.
    """

    def __init__(self, chosen: settings.Settings | None = None) -> None:
        self.settings = chosen or settings.load()
        self.home = Home(self.settings.home)

    def __repr__(self) -> str:
        return f"LocalCluster({self.home.root}, {'ready' if self.status()['ready'] else 'not ready'})"

    @property
    def kubeconfig(self) -> Path:
        """The file that points kubectl and every other client at this cluster's Kubernetes API."""
        return self.home.root / "kubeconfig"

    @property
    def users(self) -> Path:
        """The file of the cluster's users and their passwords."""
        return self.home.root / "kube" / "users.json"

    def up(self, report: Report = silent, *, gitops: bool = False) -> bool:
        """Install what is missing, start the cluster and apply the platform; False when all was Ready already.

        Args:
            report: told what is being done.
            gitops: let the platform come out of a Git repository in the lab's home, and follow it from then on.

        Raises:
            InstallError: the runtime environment could not be built; calling again goes on from there.
            EnvironmentFault: no space, no rights, or an account that cannot run PostgreSQL.
            StackError: a process does not come up; nothing is left running.
        """
        if self.status()["ready"] and not gitops:
            return False
        if problem := account_problem():
            raise EnvironmentFault("the database cannot run under this account", problem, "./lab doctor")
        self.home.create()
        installed = runtime.install(self.settings.runtime_folder, report)
        if self.settings.runtime is None:
            runtime.remove_outdated(self.settings.runtime_folder)
        with self.home.turn():  # another `up` may be at work
            self._let_end()
            started = None if self._daemon() else self._spawn(installed.python)
            try:
                self._deploy(report, started, gitops=gitops)
            except BaseException:  # Ctrl-C as well: what this call started does not stay half up
                if started:
                    self._end_unfinished(started)
                raise
        return True

    def _deploy(self, report: Report, started: psutil.Popen | None, *, gitops: bool) -> None:
        """Apply the platform, wait until it serves, and put the model into the gateway's catalog."""
        from maas_lab.local import deploy  # takes half a second, in which the daemon starts

        _wait_until("the Kubernetes API to answer", lambda: self._is_serving(started))
        if self.status()["ready"] and not gitops:
            return
        report("applying the manifests", 0, 0)
        try:
            deploy.apply(self.kubeconfig, self.users, repository_in=self.home.root if gitops else None)
            _wait_until("the platform to be ready", lambda: self._is_up(report, started))
            deploy.register(self.kubeconfig, self.settings)
        except (ClusterUnreachable, GatewayUnreachable, PortalUnreachable) as error:
            raise _stopped() from error
        self.home.complete(self.home.read_status())

    @property
    def is_ours(self) -> bool:
        """Whether this process has started the stack, also where something has started it anew since."""
        return any(home == self.home.root for home, _ in _spawned)

    def down(self) -> bool:
        """Stop every process and keep the data; False when nothing ran.

        Processes that a killed supervisor left behind are stopped too.
        """
        daemon = self._daemon()
        left = processes.leftovers(self.home.root)
        if daemon is not None:
            daemon.send_signal(signal.SIGTERM)
            _wait_for_end(daemon)
            left = processes.leftovers(self.home.root)
            _spawned[:] = [(home, one) for home, one in _spawned if one.poll() is None]
        for one in left:
            processes.end(one.process)
        return bool(daemon or left)

    def reset(self) -> list[str]:
        """Stop the stack and delete what the lab made; returns the names of the user's files that stay."""
        self.down()
        return self.home.remove()

    def status(self) -> dict[str, Any]:
        """Return how the platform is, as `./lab status --json` prints it.

        Keys: `ready`, `phase`, `endpoints` (name to URL), `model` (its name in the catalog), `workloads` (name, pod,
        ready, pid, restarts, log, reason, hint, age_s in seconds, rss_bytes of the process and its children).
        """
        said = self.home.read_status()
        if said is None or self._daemon() is None:
            return {"ready": False, "phase": "stopped", "endpoints": {}, "model": "", "workloads": []}
        is_whole = said["phase"] == "running" and _are_ready(said["workloads"]) and self.home.is_complete(said)
        return {
            "ready": is_whole,
            "phase": "ready" if is_whole else "starting" if said["phase"] == "running" else said["phase"],
            "endpoints": said["endpoints"],
            "model": said["model"],
            "workloads": [self._row(row) for row in said["workloads"]],
        }

    def endpoints(self) -> dict[str, str]:
        """Return where the running stack is reached.

        Raises:
            NotRunning: it is not up.
        """
        status = self.status()
        if not status["ready"]:
            raise NotRunning(f"the local lab is {status['phase']}", f"home: {self.home.root}", "./lab up")
        return status["endpoints"]

    def kubeconfig_file(self) -> Path:
        """Return the kubeconfig, for whoever is about to use it.

        Raises:
            NotRunning: there is none yet.
        """
        if not self.kubeconfig.exists():
            raise NotRunning("the local lab has no kubeconfig yet", f"home: {self.home.root}", "./lab up")
        return self.kubeconfig

    def password(self, user: str) -> str:
        """Return the password with which a lab user logs in at the portal.

        Raises:
            NotRunning: the lab has never run, so there are no users.
            UsageError: there is no such user.
        """
        if not self.users.exists():
            raise NotRunning("the local lab has no users yet", f"home: {self.home.root}", "./lab up")
        known = json.loads(self.users.read_text(encoding="utf-8"))
        if user not in known:
            raise UsageError(f"there is no lab user {user!r}", hint=f"there are: {', '.join(known)}")
        return known[user]["password"]

    def log(self, name: str) -> Path:
        """Return the log file of a pod, by its component or its own name, of the supervisor, or the API's `audit` log.

        Raises:
            UsageError: there is no such log.
        """
        known = {"supervisor": self.home.logs / "supervisor.log", "audit": self.home.audit_log}
        said = self.home.read_status() or {"workloads": []}
        for row in said["workloads"]:
            known |= {row["name"]: Path(row["log"]), row["pod"]: Path(row["log"])}
        if name not in known or not known[name].exists():
            there = ", ".join(sorted(one for one, file in known.items() if file.exists()))
            hint = f"known: {there}" if there else "./lab up"
            raise UsageError(f"there is no log of {name!r}", hint=hint)
        return known[name]

    def _end_unfinished(self, started: psutil.Popen) -> None:
        """End what a broken-off `up` started; a stack that another `up` started in the same moment goes on."""
        if started.poll() is None:
            started.send_signal(signal.SIGTERM)
            _wait_for_end(started)
        running = self._daemon()
        if running is None or running.pid == started.pid:
            self.down()

    def _daemon(self) -> psutil.Process | None:
        """Return the running supervisor: the very process that wrote the status, not one with its number."""
        said = self.home.read_status()
        return processes.running(said) if said else None

    def _spawn(self, python: Path) -> psutil.Popen:
        env = settings.daemon_environment() | {
            "PYTHONPATH": str(PACKAGE_ROOT),
            "MAAS_LAB_HOME": str(self.home.root),
            "MAAS_LAB_RUNTIME": str(self.settings.runtime_folder),
        }
        argv = (str(python), "-m", "maas_lab.local.daemon")
        with told_plainly(self.home.root):
            process = processes.spawn(argv, env, self.home.root, self.home.logs / "supervisor.log")
        _spawned.append((self.home.root, process))
        return process

    def _let_end(self) -> None:
        """Wait until a supervisor that is ending has ended."""
        if (daemon := self._daemon()) and self.home.read_status()["phase"] == "stopping":
            _wait_for_end(daemon)

    def _is_serving(self, started: psutil.Popen | None) -> bool:
        """Return whether the API answers; a supervisor with exit code 0 only says that another one was there first."""
        if started is not None and started.poll():
            log = self.home.logs / "supervisor.log"
            raise StackError(f"the supervisor {processes.how_it_ended(started)}", _tail(log), "./lab logs supervisor")
        said = self.home.read_status()
        return said is not None and said["phase"] == "running" and self._daemon() is not None

    def _is_up(self, report: Report, started: psutil.Popen | None) -> bool:
        if not self._is_serving(started):
            raise _stopped()
        rows = self.home.read_status()["workloads"]
        _refuse_hopeless(rows)
        told = [row["name"] + (" ready" if row["ready"] else f": {row['reason']}") for row in rows]
        report("; ".join(told), sum(row["ready"] for row in rows), len(rows))
        return _are_ready(rows)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        kept = {key: row[key] for key in ("name", "pod", "ready", "pid", "restarts", "log", "reason", "hint")}
        age = time.time() - row["started"] if row["started"] and row["pid"] else None
        return kept | {"age_s": age and round(age, 1), "rss_bytes": resident_bytes(row["pid"])}


def _stopped() -> StackError:
    return StackError("the lab was stopped while it came up", "by another command, or by its end", "./lab up")


def _wait_for_end(daemon: psutil.Process) -> None:
    wait.until(lambda: processes.how_it_ended(daemon), what="the lab to stop", timeout=END_S, hint="./lab down")


def _wait_until(what: str, check: Callable[[], bool]) -> None:
    wait.until(check, what=what, timeout=START_S, every=0.05, hint="./lab status, ./lab logs gateway")


def _are_ready(rows: list[dict[str, Any]]) -> bool:
    """Return whether every part of the platform serves; a second pod of one may be on its way."""
    return {row["name"] for row in rows if row["ready"]} >= COMPONENTS


def _refuse_hopeless(rows: list[dict[str, Any]]) -> None:
    """Raise when a pod waits for something that time does not bring."""
    serving = {row["name"] for row in rows if row["ready"]}
    for row in rows:
        if row["reason"] in HOPELESS and row["name"] not in serving:
            why = f"{row['reason']}: {row['hint']}; last line of its log: {_tail(Path(row['log']))}"
            raise StackError(f"{row['name']} does not come up", why, f"./lab logs {row['name']}")


def resident_bytes(pid: int | None) -> int | None:
    """Return the resident memory of a process and its children, shared pages counted once per process."""
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        return sum(member.memory_info().rss for member in (process, *process.children(recursive=True)))
    except psutil.Error:
        return None


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "(empty)"
