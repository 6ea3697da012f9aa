"""PostgreSQL: a data folder with a random password, an unprivileged account, and LiteLLM's migrations as SQL."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from maas_lab.errors import EnvironmentFault, StackError
from maas_lab.local.home import Home, Secrets, told_plainly, write_private
from maas_lab.settings import LOOPBACK, child_environment

USER, DATABASE = "litellm", "litellm"
NOBODY = "nobody"
CAPABILITIES = {"dac_read_search": 1 << 2, "dac_override": 1 << 1}  # linux/capability.h


class Postgres:
    """The database of one home.

    Args:
        home: where its files are.
        binaries: folder of `initdb`, `postgres` and `psql`.
        port: loopback port.
        secrets: the superuser's password.
    """

    def __init__(self, home: Home, binaries: Path, port: int, secrets: Secrets) -> None:
        self.home, self.binaries, self.port, self.secrets = home, binaries, port, secrets
        self.data = home.postgres / "data"
        self.applied = home.postgres / "migrations.json"

    @property
    def url(self) -> str:
        """The address with the password, for an environment variable."""
        return f"postgresql://{USER}:{self.secrets.postgres_password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def argv(self) -> tuple[str, ...]:
        """The server's command line; small buffers, because a laptop shares its memory with a model."""
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "40",
            "shared_buffers": "32MB",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return (*self._unprivileged(), str(self.binaries / "postgres"), "-D", str(self.data), *flags)

    def create(self, sleep: Callable[[float], None] | None = None) -> None:
        """Make the data folder unless it exists: aside first, so that an interruption leaves no half of one.

        Raises:
            EnvironmentFault: this account cannot run PostgreSQL.
        """
        if self.data.exists():
            return
        if why := account_problem():
            raise EnvironmentFault("PostgreSQL cannot be set up", why, "./lab doctor")
        aside, password = self.home.postgres / "data.new", self.home.postgres / "password"
        with told_plainly(self.home.root):
            shutil.rmtree(aside, ignore_errors=True)
            self.home.postgres.mkdir(exist_ok=True, mode=0o700)
            write_private(password, self.secrets.postgres_password)
            if os.geteuid() == 0:
                for path in (self.home.postgres, password):
                    shutil.chown(path, NOBODY)
        try:
            self._initdb(aside, password)
            aside.replace(self.data)
        finally:
            password.unlink(missing_ok=True)

    def answers(self) -> str:
        """Return why the server does not answer; empty when it does.

        The client insists on SCRAM, which proves both sides: only this home's server knows this password.
        """
        done = self._psql("postgres", "-tAc", "select 1", check=False)
        return "" if done.returncode == 0 else done.stderr.strip().splitlines()[0].removeprefix("psql: error: ")

    def execute(self, *statements: str) -> str:
        """Run statements on the server's own database, one by one, and return what they print."""
        return self._psql("postgres", "-tA", *[part for one in statements for part in ("-c", one)]).stdout.strip()

    def migrate(self, folder: Path) -> None:
        """Apply the migrations of `folder` that are not applied yet, in order of their names.

        The first time the database is filled under another name and renamed, so that it is complete or not there.
        """
        names = sorted(path.parent.name for path in folder.glob("*/migration.sql"))
        applied = set(json.loads(self.applied.read_text())) if self.applied.exists() else set()
        missing = [folder / name / "migration.sql" for name in names if name not in applied]
        if not self.execute(f"select 1 from pg_database where datname = '{DATABASE}'"):
            self.execute(f"drop database if exists {DATABASE}_new", f"create database {DATABASE}_new")
            self._apply(f"{DATABASE}_new", [folder / name / "migration.sql" for name in names])
            self.execute(f"alter database {DATABASE}_new rename to {DATABASE}")
        elif applied and missing:
            self._apply(DATABASE, missing)
        write_private(self.applied, json.dumps(names))

    def is_migrated(self, folder: Path) -> bool:
        """Return whether every migration of `folder` has been applied, without asking the server."""
        names = sorted(path.parent.name for path in folder.glob("*/migration.sql"))
        return self.data.exists() and self.applied.exists() and json.loads(self.applied.read_text()) == names

    def _apply(self, database: str, files: list[Path]) -> None:
        self._psql(database, *[part for file in files for part in ("-f", str(file))])

    def _initdb(self, folder: Path, password: Path) -> None:
        argv = [*self._unprivileged(), str(self.binaries / "initdb"), "-D", str(folder), "-U", USER]
        argv += ["--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(argv, env=child_environment(), cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError("PostgreSQL could not make its data folder", _complaint(done.stderr), "./lab doctor")

    def _psql(self, database: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        argv = [str(self.binaries / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments]
        env = child_environment() | {
            "PGHOST": LOOPBACK,
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGDATABASE": database,
            "PGPASSWORD": self.secrets.postgres_password,
            "PGREQUIREAUTH": "scram-sha-256",
            "PGCONNECT_TIMEOUT": "3",
            "PGOPTIONS": "-c client_min_messages=warning",
        }
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise StackError("PostgreSQL refused a statement", _complaint(done.stderr), "./lab logs postgres")
        return done

    def _unprivileged(self) -> tuple[str, ...]:
        """PostgreSQL refuses to run as root: drop to `nobody`, who must still be able to reach the home's folder."""
        if os.geteuid() != 0:
            return ()
        entry = pwd.getpwnam(NOBODY)
        ids = (f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
        if reachable_by_all(self.home.root) and reachable_by_all(self.binaries):
            return ("setpriv", *ids, "--")
        right = usable_capability()
        # access(2) heeds the capability only with this bit; the bounding set keeps every other one away.
        caps = (f"--inh-caps=-all,+{right}", f"--ambient-caps=-all,+{right}", f"--bounding-set=-all,+{right}")
        return ("setpriv", *ids, *caps, "--securebits=+no_setuid_fixup", "--")


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


def _complaint(text: str) -> str:
    """Return the first line that tells of an error; what comes after it is tidying up."""
    lines = text.strip().splitlines() or ["it said nothing"]
    return next((line for line in lines if re.search(r"error|fatal|panic", line, re.IGNORECASE)), lines[-1])
