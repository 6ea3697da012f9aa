"""The model server: llama.cpp with SmolLM2-135M-Instruct, configured by llama.cpp's own variables."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from maas_lab.local.images import Container, Image, Program, Runs
from maas_lab.local.programs.numbers import refuse_wrong
from maas_lab.local.runtime import Runtime
from maas_lab.settings import LOOPBACK, ModelSettings, child_environment

REFERENCE = "maas-lab/llamacpp:2026.10.11549"
PORT = 8080
SCRIPT = Path(__file__).parents[1] / "model_server.py"
THREADS, SLOTS, CONTEXT = "LLAMA_ARG_THREADS", "LLAMA_ARG_N_PARALLEL", "LLAMA_ARG_CTX_SIZE"
KNOWN = ("LLAMA_ARG_ALIAS", "LLAMA_API_KEY", THREADS, SLOTS, CONTEXT)
RUNS = Runs(
    "llama.cpp's own server with SmolLM2-135M-Instruct (Q4_1), on the CPU",
    "real",
    "a real model under its own name, and a very small one: good for measuring, bad at knowing",
)


def image(runtime: Runtime, chosen: ModelSettings) -> Image:
    """Return the model server's image; `chosen` holds for what a manifest leaves out."""
    return Image(REFERENCE, (PORT,), partial(program, runtime, chosen), runs=RUNS)


def program(runtime: Runtime, chosen: ModelSettings, container: Container) -> Program:
    """Return the model server of one container."""
    env = environment(runtime, chosen, container)
    return Program(
        argv=(str(runtime.python), "-I", str(SCRIPT)),
        env=env,
        cwd=container.folder,
        prepare=partial(refuse_wrong, env, (THREADS, SLOTS, CONTEXT)),
    )


def environment(runtime: Runtime, chosen: ModelSettings, container: Container) -> dict[str, str]:
    """Return the server's environment; the weights are the image's, whatever a manifest says."""
    given = {name: container.env[name] for name in KNOWN if container.env.get(name)}
    slots = given.get(SLOTS, str(chosen.slots))
    per_server = chosen.context * (int(slots) if slots.isdecimal() else 1)
    defaults = {THREADS: str(chosen.threads), SLOTS: slots, CONTEXT: str(per_server)}
    image_s = {
        "HOME": str(container.folder),
        "LLAMA_ARG_MODEL": str(runtime.model),
        "LLAMA_ARG_HOST": LOOPBACK,
        "LLAMA_ARG_PORT": str(container.ports[PORT]),
    }
    return child_environment() | defaults | given | image_s
