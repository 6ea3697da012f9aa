"""LiteLLM 1.81.0 as LiteMaaS deploys it: everything comes from the environment, tables are made at the start."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from maas_lab.local.images import Container, Image, Program, Runs, Sleep
from maas_lab.local.runtime import Runtime
from maas_lab.settings import LOOPBACK, child_environment

REFERENCE = "quay.io/rh-aiservices-bu/litellm-non-root:main-v1.81.0-stable-custom"
PORT = 4000
LOCAL = Path(__file__).parents[1]
RUNS = Runs(
    "LiteLLM from PyPI, unmodified, in one process",
    "real",
    "it checks, counts and books every call; its database client runs as WebAssembly in Node.js",
)


def image(runtime: Runtime) -> Image:
    """Return the gateway's image."""
    return Image(REFERENCE, (PORT,), partial(program, runtime), runs=RUNS)


def program(runtime: Runtime, container: Container) -> Program:
    """Return the gateway of one container."""
    options = ("--host", LOOPBACK, "--port", str(container.ports[PORT]), "--telemetry", "False")
    return Program(
        argv=(str(runtime.python), "-I", str(LOCAL / "gateway_server.py"), *options),
        env=environment(runtime, container),
        cwd=container.folder,
        prepare=partial(_forget_copies, container),
    )


def environment(runtime: Runtime, container: Container) -> dict[str, str]:
    """Return the gateway's environment: the manifest's, and what stands for the rest of the image."""
    machine, stub = child_environment(), runtime.prisma_environment
    image_s = {
        "PATH": ":".join((str(LOCAL / "prisma" / "cli-stub"), stub["PATH"], machine.get("PATH", ""))),
        "HOME": str(container.folder),
        "LITELLM_MODE": "PRODUCTION",  # no .env file of the learner's is read
        # LiteLLM writes beside its migrations when it starts, and the installed ones are everybody's.
        "LITELLM_MIGRATION_DIR": str(_copies(container)),
        "MAAS_LAB_MIGRATIONS": str(runtime.migrations),
        "PYTHONUNBUFFERED": "1",
    }
    return machine | apart(container.env) | stub | image_s


def apart(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the database's password outside its address.

    LiteLLM writes the address on the command line of `prisma migrate diff`, which everybody may read.
    """
    try:
        parts = urlsplit(env.get("DATABASE_URL", ""))
    except ValueError:  # LiteLLM says what is wrong with it
        return dict(env)
    if parts.password is None:
        return dict(env)
    host = parts.netloc.rpartition("@")[2]
    address = parts._replace(netloc=f"{parts.username or ''}@{host}").geturl()
    return dict(env) | {"DATABASE_URL": address, "PGPASSWORD": unquote(parts.password)}


def _copies(container: Container) -> Path:
    return container.folder / "litellm"


def _forget_copies(container: Container, sleep: Sleep) -> None:
    """A container that starts anew has the image's files and not those of the one before it."""
    shutil.rmtree(_copies(container), ignore_errors=True)
