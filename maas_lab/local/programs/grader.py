"""The image that grades one learner in a pod: the lab's own grader, in the environment of whoever started the lab."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from maas_lab.local import runtime as installation
from maas_lab.local.images import Container, Image, Program, Runs
from maas_lab.local.programs import pulling
from maas_lab.local.runtime import Runtime
from maas_lab.settings import child_environment, pip_python

REFERENCE = "image-registry.openshift-image-registry.svc:5000/maas-lab-grading/grader:1"
SUBMISSION, SCRATCH = "/submission", "/scratch"
PACKAGE_ROOT = Path(__file__).parents[3]
RUNS = Runs(
    "this lab's own grader",
    "real",
    "as in the image; a learner's notebooks run in a room of their own, not a container",
)


def image(runtime: Runtime) -> Image:
    """Return the grader's image."""
    pull = pulling.pull(runtime, (*installation.STACK, "quantised"))  # all that lessons ask for
    return Image(REFERENCE, (), partial(program, runtime), pull=pull, runs=RUNS)


def program(runtime: Runtime, container: Container) -> Program:
    """Return the grader of one learner, whose submission and scratch folder are mounted."""
    mounted = {path: container.volumes.get(path, container.folder) for path in (SUBMISSION, SCRATCH)}
    image_s = {"HOME": str(mounted[SCRATCH]), "PYTHONPATH": str(PACKAGE_ROOT), "PYTHONUNBUFFERED": "1"}
    own = {"MAAS_LAB_RUNTIME": str(runtime.folder), "TMPDIR": str(mounted[SCRATCH])}
    return Program(
        argv=(pip_python(), "-P", "-m", "maas_lab.grading.indexed", *(str(one) for one in mounted.values())),
        env=child_environment() | image_s | own,
        cwd=container.folder,
    )
