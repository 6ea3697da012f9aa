"""The portal's pages: the lab's own service under LiteMaaS's image and variables."""

from __future__ import annotations

from functools import partial

from maas_lab.local.images import Container, Image, Program, Runs
from maas_lab.local.programs import portal
from maas_lab.local.runtime import Runtime

REFERENCE = "quay.io/rh-aiservices-bu/litemaas-frontend:0.4.0"
PORT = 8080
RUNS = Runs("pages of this lab in place of LiteMaaS's", "stand-in", "they call the same API as LiteMaaS's pages")


def image(runtime: Runtime) -> Image:
    """Return the frontend's image."""
    return Image(REFERENCE, (PORT,), partial(program, runtime), runs=RUNS)


def program(runtime: Runtime, container: Container) -> Program:
    """Return the pages of one container: the manifest's variables, at a loopback port."""
    return portal.service(runtime, container, "maas_lab.local.frontend", PORT)
