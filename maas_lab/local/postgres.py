"""PostgreSQL: a data folder, an unprivileged account for its server, and a client that insists on a password."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maas_lab.errors import EnvironmentFault, StackError
from maas_lab.local.home import told_plainly, write_private
from maas_lab.settings import LOOPBACK, child_environment

ADMIN = "postgres"
NOBODY = "nobody"
CAPABILITIES = {"dac_read_search": 1 << 2, "dac_override": 1 << 1}  # linux/capability.h
UNANSWERED = 2  # what `pg_isready` ends with when nobody listens, or what listens says nothing
HINT = "kubectl logs of the database's pod says more; ./lab doctor looks at this machine"


@dataclass(frozen=True)
class DataFolder:
    """A database cluster on disk.

    Attributes:
        binaries: folder of `initdb`, `postgres` and `psql`.
        path: the cluster's folder; beside it one is made aside.
    """

    binaries: Path
    path: Path

    def create(self, *statements: str) -> None:
        """Make it and run `statements`, aside first, so that an interruption leaves no half of one.

        Nobody knows the administrator's password until a statement sets one.

        Raises:
            EnvironmentFault: this account cannot run PostgreSQL, or may not write there.
            StackError: PostgreSQL refused.
        """
        if why := account_problem():
            raise EnvironmentFault("PostgreSQL cannot be set up", why, "./lab doctor")
        aside = DataFolder(self.binaries, self.path.with_name(f"{self.path.name}.new"))
        password = self.path.with_name("password")
        with told_plainly(self.path):
            shutil.rmtree(aside.path, ignore_errors=True)
            aside.path.mkdir(mode=0o700)
            write_private(password, secrets.token_hex(24))
            if os.geteuid() == 0:
                for path in (aside.path, password):
                    shutil.chown(path, NOBODY)
        try:
            aside._initdb(password)
        finally:
            password.unlink(missing_ok=True)
        aside.run(*statements)
        aside.path.replace(self.path)

    def run(self, *statements: str) -> None:
        """Run statements as the administrator while no server runs: no port is opened and no password is needed.

        Raises:
            StackError: one of them failed; those before it are done.
        """
        flags = ("-c", "exit_on_error=true", "-c", "log_min_error_statement=panic")  # statements hold passwords
        argv = (*self._program("postgres"), "--single", "-j", "-D", str(self.path), *flags, ADMIN)
        text = "".join(f"{statement};\n\n" for statement in statements)
        done = _run(argv, input=text, cwd="/")
        if done.returncode:
            raise StackError("PostgreSQL refused a statement before its start", _complaint(done.stderr), HINT)

    def server(self, port: int, **options: str) -> tuple[str, ...]:
        """Return the command line of the server on a loopback port."""
        fixed = {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
        flags = [part for name, value in (fixed | options).items() for part in ("-c", f"{name}={value}")]
        return (*self._program("postgres"), "-D", str(self.path), *flags)

    def _initdb(self, password: Path) -> None:
        argv = (*self._program("initdb"), "-D", str(self.path), "-U", ADMIN, "--auth=scram-sha-256")
        done = _run((*argv, f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"), cwd="/")
        if done.returncode:
            raise StackError("PostgreSQL could not make its data folder", _complaint(done.stderr), HINT)

    def _program(self, name: str) -> tuple[str, ...]:
        return (*_unprivileged(self.path, self.binaries), str(self.binaries / name))


@dataclass(frozen=True)
class Login:
    """A way into a running server.

    Attributes:
        binaries: folder of `psql` and `pg_isready`.
        port: the server's loopback port.
        user: a role.
        password: its password.
        database: where statements run.
    """

    binaries: Path
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    def problem(self) -> str:
        """Return why the server does not serve this role; empty when it does.

        The client insists on SCRAM, which proves both sides: only the server that was meant knows this password.
        """
        done = self._psql("-tAc", "select 1")
        lines = done.stderr.strip().splitlines() or [f"psql ended with exit code {done.returncode}"]
        return "" if done.returncode == 0 else lines[0].removeprefix("psql: error: ")

    def execute(self, *statements: str) -> str:
        """Run statements one by one and return what they print.

        Raises:
            StackError: the server refused one.
        """
        done = self._psql("-tA", *[part for one in statements for part in ("-c", one)])
        if done.returncode:
            raise StackError("PostgreSQL refused a statement", _complaint(done.stderr), HINT)
        return done.stdout.strip()

    def _psql(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = (str(self.binaries / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments)
        env = {
            "PGHOST": LOOPBACK,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
            "PGPASSWORD": self.password,
            "PGREQUIREAUTH": "scram-sha-256",
            "PGCONNECT_TIMEOUT": "3",
            "PGOPTIONS": "-c client_min_messages=warning",
        }
        return _run(argv, env=env)


def silence(binaries: Path, port: int) -> str:
    """Return why nothing answers at a port as a PostgreSQL server does, even one that starts; empty when one does."""
    done = _run((str(binaries / "pg_isready"), "-h", LOOPBACK, "-p", str(port), "-t", "3"))
    return done.stdout.strip() if done.returncode >= UNANSWERED else ""


def account_problem() -> str:
    """Return why this account cannot run PostgreSQL; empty when it can."""
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            return "PostgreSQL does not run as root, and `setpriv` (package util-linux) is not there to leave root"
        return ""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return (
            f"user id {os.geteuid()} has no entry in /etc/passwd, and PostgreSQL refuses to start without one; "
            "OpenShift adds it when the pod's image allows it"
        )
    return ""


def usable_capability() -> str:
    """Return a capability that lets `nobody` pass through root's private folders; reading rights are preferred.

    Raises:
        EnvironmentFault: root lacks both, as in a container with dropped capabilities.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    bounding = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), 16)
    for name, bit in CAPABILITIES.items():
        if bounding & bit:
            return name
    raise EnvironmentFault(
        "PostgreSQL cannot run as root and its unprivileged account cannot reach the lab's home",
        "this root has neither CAP_DAC_READ_SEARCH nor CAP_DAC_OVERRIDE",
        "set MAAS_LAB_HOME to a folder that others may enter, e.g. /srv/maas-lab, or run as another user",
    )


def reachable_by_all(folder: Path) -> bool:
    """Return whether every account may pass through to `folder`."""
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents) if path.exists())


def _unprivileged(data: Path, binaries: Path) -> tuple[str, ...]:
    """PostgreSQL refuses to run as root: drop to `nobody`, who must still be able to reach both folders."""
    if os.geteuid() != 0:
        return ()
    entry = pwd.getpwnam(NOBODY)
    ids = (f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
    if reachable_by_all(data.parent) and reachable_by_all(binaries):
        return ("setpriv", *ids, "--")
    right = usable_capability()
    # access(2) heeds the capability only with this bit; the bounding set keeps every other one away.
    caps = (f"--inh-caps=-all,+{right}", f"--ambient-caps=-all,+{right}", f"--bounding-set=-all,+{right}")
    return ("setpriv", *ids, *caps, "--securebits=+no_setuid_fixup", "--")


def _run(argv: Sequence[str], env: dict[str, str] | None = None, **options: str) -> subprocess.CompletedProcess[str]:
    whole = child_environment() | (env or {})
    return subprocess.run(argv, env=whole, capture_output=True, text=True, check=False, **options)


def _complaint(text: str) -> str:
    """Return the first line that tells of an error; what comes after it is tidying up."""
    lines = text.strip().splitlines() or ["it said nothing"]
    return next((line for line in lines if re.search(r"error|fatal|panic", line, re.IGNORECASE)), lines[-1])
