"""The model server: llama.cpp with SmolLM2-135M-Instruct, configured by llama.cpp's own variables.

The image's tag names the precision of the weights; those that are not shipped are made when a pod first asks for them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from maas_lab.local import quantised
from maas_lab.local.images import Container, Image, Program, Runs
from maas_lab.local.programs.numbers import refuse_wrong
from maas_lab.local.programs.pulling import pull
from maas_lab.local.runtime import Runtime
from maas_lab.settings import LOOPBACK, ModelSettings, child_environment

REFERENCE = "maas-lab/llamacpp:2026.10.11549"
PORT = 8080
SCRIPT = Path(__file__).parents[1] / "model_server.py"
THREADS, SLOTS, CONTEXT = "LLAMA_ARG_THREADS", "LLAMA_ARG_N_PARALLEL", "LLAMA_ARG_CTX_SIZE"
KNOWN = ("LLAMA_ARG_ALIAS", "LLAMA_API_KEY", THREADS, SLOTS, CONTEXT)
PARTS = ("python", "model", "quantised")
RUNS = Runs(
    "llama.cpp's own server with SmolLM2-135M-Instruct (Q4_1), on the CPU",
    "real",
    "a real model under its own name, and a very small one: good for measuring, bad at knowing",
)


def images(runtime: Runtime, chosen: ModelSettings) -> list[Image]:
    """Return the model server's images, one for each precision; `chosen` holds for what a manifest leaves out."""
    shipped = Image(REFERENCE, (PORT,), partial(program, runtime, chosen, runtime.model), runs=RUNS)
    return [shipped, *(_made(runtime, chosen, precision) for precision in quantised.WEIGHTS)]


def reference(precision: str) -> str:
    """Return the image with the weights in another precision, e.g. for "Q8_0"."""
    return f"{REFERENCE}-{precision.lower()}"


def _made(runtime: Runtime, chosen: ModelSettings, precision: str) -> Image:
    """Return an image with weights that are made on this machine; it has nothing to pull once they are there."""
    why = "made of the Q4_1 weights on this machine: what those have rounded away is not back"
    runs = RUNS._replace(what=RUNS.what.replace("Q4_1", precision), why=why)
    made = partial(program, runtime, chosen, runtime.weights(precision))
    return Image(reference(precision), (PORT,), made, pull(runtime, PARTS), runs)


def program(runtime: Runtime, chosen: ModelSettings, weights: Path, container: Container) -> Program:
    """Return the model server of one container, with the weights of a GGUF file."""
    env = environment(chosen, weights, container)
    return Program(
        argv=(str(runtime.python), "-I", str(SCRIPT)),
        env=env,
        cwd=container.folder,
        prepare=partial(refuse_wrong, env, (THREADS, SLOTS, CONTEXT)),
    )


def environment(chosen: ModelSettings, weights: Path, container: Container) -> dict[str, str]:
    """Return the server's environment; the weights are the image's, whatever a manifest says."""
    given = {name: container.env[name] for name in KNOWN if container.env.get(name)}
    slots = given.get(SLOTS, str(chosen.slots))
    per_server = chosen.context * (int(slots) if slots.isdecimal() else 1)
    defaults = {THREADS: str(chosen.threads), SLOTS: slots, CONTEXT: str(per_server)}
    image_s = {
        "HOME": str(container.folder),
        "LLAMA_ARG_MODEL": str(weights),
        "LLAMA_ARG_HOST": LOOPBACK,
        "LLAMA_ARG_PORT": str(container.ports[PORT]),
    }
    return child_environment() | defaults | given | image_s
