"""Genuine vLLM on the CPU with SmolLM2-135M-Instruct; installed when a pod first asks for it."""

from __future__ import annotations

from functools import partial

from maas_lab.local.images import Container, Image, Program, Runs
from maas_lab.local.programs.numbers import refuse_wrong
from maas_lab.local.programs.pulling import pull
from maas_lab.local.runtime import Runtime
from maas_lab.local.vllm import OFFLINE
from maas_lab.settings import LOOPBACK, child_environment

REFERENCE = "maas-lab/vllm-cpu:0.32.0"
PORT = 8080
PARTS = ("model", "vllm")
SERVED, LENGTH, CACHE = "SERVED_MODEL_NAME", "MAX_MODEL_LEN", "VLLM_CPU_KVCACHE_SPACE"
DEFAULTS = {SERVED: "smollm2-135m-instruct", LENGTH: "4096", CACHE: "1"}  # tokens; GiB for the memory of calls
KNOWN = (*DEFAULTS, "VLLM_API_KEY")
RUNS = Runs(
    "vLLM's own server with SmolLM2-135M-Instruct, on the CPU",
    "real",
    "a real model under its own name, and a very small one: good for measuring, bad at knowing",
)


def image(runtime: Runtime) -> Image:
    """Return vLLM's image; it has nothing to pull where it is installed already."""
    return Image(REFERENCE, (PORT,), partial(program, runtime), pull(runtime, PARTS), RUNS)


def program(runtime: Runtime, container: Container) -> Program:
    """Return the vLLM of one container."""
    env = environment(container)
    # The module: the `vllm` command asks for a package of that name, and this one is called vllm-cpu.
    argv = (str(runtime.vllm_python), "-I", "-m", "vllm.entrypoints.openai.api_server")
    chosen = {
        "model": str(runtime.vllm_weights),
        "served-model-name": env[SERVED],
        "host": LOOPBACK,
        "port": str(container.ports[PORT]),
        "max-model-len": env[LENGTH],
        "dtype": "float32",  # in bfloat16 an answer changes with the calls that it shares a batch with
        "disable-access-log-for-endpoints": "/health",
    }
    flags = (*(f"--{name}={value}" for name, value in chosen.items()), "--enforce-eager")
    return Program((*argv, *flags), env, container.folder, prepare=partial(refuse_wrong, env, (LENGTH, CACHE)))


def environment(container: Container) -> dict[str, str]:
    """Return vLLM's environment; its processes speak with each other on loopback, and write into the pod's folder."""
    given = {name: container.env[name] for name in KNOWN if container.env.get(name)}
    folder = str(container.folder)
    image_s = {
        "HOME": folder,
        "TMPDIR": folder,
        "VLLM_RPC_BASE_PATH": ".",  # a socket's name has at most 107 characters: relative to the folder it is short
        "VLLM_HOST_IP": LOOPBACK,
        "GLOO_SOCKET_IFNAME": "lo",
    }
    return child_environment() | OFFLINE | DEFAULTS | given | image_s
