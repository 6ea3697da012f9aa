"""The portal's backend: the lab's own service under LiteMaaS's image and variables."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from maas_lab.local.images import Container, Image, Program, Runs
from maas_lab.local.runtime import Runtime
from maas_lab.settings import LOOPBACK, child_environment

REFERENCE = "quay.io/rh-aiservices-bu/litemaas-backend:0.4.0"
PORT = 8080
CERTIFICATES = "NODE_EXTRA_CA_CERTS"
PACKAGE_ROOT = Path(__file__).parents[3]
RUNS = Runs(
    "a service of this lab that answers as LiteMaaS's backend does",
    "stand-in",
    "it has the part of LiteMaaS's API that the lessons use; keys and spend are the gateway's own",
)


def image(runtime: Runtime) -> Image:
    """Return the backend's image."""
    return Image(REFERENCE, (PORT,), partial(program, runtime), runs=RUNS)


def program(runtime: Runtime, container: Container) -> Program:
    """Return the backend of one container: the manifest's variables, at a loopback port."""
    return service(runtime, container, "maas_lab.local.portal", PORT)


def service(runtime: Runtime, container: Container, module: str, port: int) -> Program:
    """Return a service of the lab's own that stands for a part of LiteMaaS.

    Args:
        runtime: has the interpreter.
        container: gives variables, volumes and ports.
        module: what Python runs.
        port: the image listens on it.
    """
    image_s = {
        "HOME": str(container.folder),
        "HOST": LOOPBACK,
        "PORT": str(container.ports[port]),
        "PYTHONPATH": str(PACKAGE_ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    machine = child_environment()
    kept = {name: value for name, value in container.env.items() if not name.startswith("PYTHON")}
    if trusted := container.env.get(CERTIFICATES):
        image_s[CERTIFICATES] = _found(container, PurePosixPath(trusted))
    return Program(
        argv=(str(runtime.python), "-P", "-m", module),
        env=machine | kept | {"PATH": machine.get("PATH", "")} | image_s,
        cwd=container.folder,
    )


def _found(container: Container, file: PurePosixPath) -> str:
    """Return where on this machine a file is that the container has mounted."""
    for mount, folder in container.volumes.items():
        if file.is_relative_to(mount):
            return str(folder / file.relative_to(mount))
    return str(file)
