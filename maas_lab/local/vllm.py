"""Install genuine vLLM for the CPU: a part of the runtime environment that is made only when first asked for."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from maas_lab.errors import InstallError
from maas_lab.local import packages
from maas_lab.local.packages import Report, run
from maas_lab.settings import pip_python

if TYPE_CHECKING:
    from maas_lab.local.runtime import Runtime

LOCKS = Path(__file__).parent / "locks"
TORCH_LOCK, VLLM_LOCK = LOCKS / "torch-cpu.txt", LOCKS / "vllm.txt"
DEQUANTISE = Path(__file__).parent / "dequantise.py"
MACHINES = ("x86_64", "aarch64")
NEEDED = 4 * 10**9  # bytes: 2.6 GB when installed, and what is downloaded for it
OFFLINE = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}


def build(part: Path, runtime: Runtime, report: Report) -> None:
    """Install vLLM into a folder, and make the weights that it loads of the lab's GGUF.

    Raises:
        InstallError: vLLM is not made for this machine, or a download failed or is not what the lock says.
        EnvironmentFault: no space.
    """
    refuse_machine(sys.platform, platform.machine())
    packages.refuse_full(part, NEEDED, "vLLM")
    run([pip_python(), "-m", "venv", "--without-pip", str(part)], "making vLLM's environment")
    python = part / "bin" / "python"
    with packages.hinting(_index_hint()):
        packages.pip_install(python, TORCH_LOCK, report)
    with packages.hinting():
        packages.pip_install(python, VLLM_LOCK, report)
        report("making vLLM's weights of the lab's model", 0, 0)
        argv = [str(python), "-I", str(DEQUANTISE), str(runtime.model), str(part / "weights")]
        run(argv, "making vLLM's weights", OFFLINE)


def refuse_machine(system: str, machine: str) -> None:
    """Raise an `InstallError` where no wheel of vLLM for CPUs exists, e.g. for "darwin" and "arm64"."""
    if system != "linux" or machine not in MACHINES:
        why = f"its wheels for CPUs are for Linux on {' and '.join(MACHINES)}; this is {system} on {machine}"
        raise InstallError("vLLM cannot run on this machine", why, "kubectl apply -k manifests/models/overlays/local")


def _index_hint() -> str:
    return (
        "PyTorch keeps its wheels for CPUs in an index of its own. Tell pip of it: "
        f"{pip_python()} -m pip config set global.extra-index-url ADDRESS, with the ADDRESS that pytorch.org shows "
        "under Get Started for Linux, Pip and CPU; then the cluster tries again by itself"
    )
