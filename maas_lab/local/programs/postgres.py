"""PostgreSQL 16 as Red Hat's image runs it: one user, one database, and the password that the environment names."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from maas_lab.errors import UsageError
from maas_lab.local.images import Container, Image, Program, Runs, Sleep
from maas_lab.local.postgres import ADMIN, DataFolder, Login, silence
from maas_lab.local.runtime import Runtime
from maas_lab.settings import child_environment

REFERENCE = "registry.redhat.io/rhel9/postgresql-16:9.7"
PORT = 5432
MOUNT = Path("/var/lib/pgsql/data")
USER, PASSWORD, DATABASE = "POSTGRESQL_USER", "POSTGRESQL_PASSWORD", "POSTGRESQL_DATABASE"
ADMIN_PASSWORD = "POSTGRESQL_ADMIN_PASSWORD"
LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer ones off
# What the image takes from the environment for its configuration, with the image's defaults.
OPTIONS = {
    "max_connections": ("POSTGRESQL_MAX_CONNECTIONS", "100"),
    "shared_buffers": ("POSTGRESQL_SHARED_BUFFERS", "32MB"),
}
HINT = "set the three variables in the container's `env`, as manifests/infrastructure/base/database does"
RUNS = Runs("PostgreSQL 16's own server", "real", "only the image's start script does not run")


def image(runtime: Runtime) -> Image:
    """Return the database's image."""
    return Image(REFERENCE, (PORT,), partial(program, runtime.postgres_bin), runs=RUNS)


def program(binaries: Path, container: Container) -> Program:
    """Return the server of one container; its data live in the mount, or go with the pod where there is none."""
    server = Server(binaries, container.env, container.volumes.get(str(MOUNT), container.folder))
    return Program(
        argv=server.data.server(container.ports[PORT], **server.options),
        env=child_environment(),
        cwd=Path("/"),
        prepare=server.prepare,
        stop_signal=signal.SIGINT,  # "fast": roll back what is open, write the rest, end
        commands={"/usr/libexec/check-container": partial(server.check, container.ports[PORT])},
    )


@dataclass(frozen=True)
class Server:
    """What the image's start script does.

    Attributes:
        binaries: PostgreSQL's programs.
        env: the container's variables.
        mount: the folder that stands for `/var/lib/pgsql/data`.
    """

    binaries: Path
    env: Mapping[str, str]
    mount: Path

    @property
    def data(self) -> DataFolder:
        """The database cluster, where the image has it too."""
        return DataFolder(self.binaries, self.mount / "userdata")

    @property
    def options(self) -> dict[str, str]:
        """The server's settings."""
        return {name: self.env.get(variable) or default for name, (variable, default) in OPTIONS.items()}

    def prepare(self, sleep: Sleep) -> None:
        """Make the data folder at the first start; at each later one set the passwords, which may have changed.

        Raises:
            UsageError: a variable is missing, or a name is too long.
            StackError: PostgreSQL refused, e.g. because the data folder knows no such user.
        """
        self._refuse_incomplete()
        if self.data.path.exists():
            self.data.run(*self._passwords())
        else:
            self.data.create(*self._user(), *self._passwords())

    def check(self, port: int, arguments: Sequence[str]) -> str:
        """Do what `check-container` does: ask for a row; with `--live`, whether a server is there at all.

        The image's own `--live` always succeeds. Here a server that hangs is found.
        """
        if "--live" in arguments or USER not in self.env:
            return silence(self.binaries, port)
        return Login(self.binaries, port, self.env[USER], self.env[PASSWORD], self.env[DATABASE]).problem()

    def _refuse_incomplete(self) -> None:
        wanted = (USER, PASSWORD, DATABASE)
        missing = [name for name in wanted if not self.env.get(name)]
        if missing and (len(missing) < len(wanted) or not self.env.get(ADMIN_PASSWORD)):
            raise UsageError(
                f"the database cannot start without {', '.join(missing)}",
                f"this image needs {', '.join(wanted)}, or {ADMIN_PASSWORD}, or all four",
                HINT,
            )
        for name in (USER, DATABASE):
            if len(self.env.get(name, "").encode()) > LONGEST_NAME:
                raise UsageError(f"{name} is too long", f"PostgreSQL takes {LONGEST_NAME} bytes", HINT)

    def _user(self) -> list[str]:
        """The user may make databases: the script that makes the gateway's one in the cluster is not executed here."""
        if USER not in self.env:
            return []
        user, database = _name(self.env[USER]), _name(self.env[DATABASE])
        return [f"create role {user} login createdb", f"create database {database} owner {user}"]

    def _passwords(self) -> list[str]:
        pairs = {self.env.get(USER): self.env.get(PASSWORD), ADMIN: self.env.get(ADMIN_PASSWORD)}
        return [f"alter role {_name(role)} password {_text(word)}" for role, word in pairs.items() if role and word]


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    """Quote a string whatever it holds: in single-user mode an empty line would end the statement."""
    return "e'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
