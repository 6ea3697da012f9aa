"""The lab's model in other precisions: a part of the runtime environment that is made only when first asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from maas_lab.local import packages
from maas_lab.local.packages import AGAIN, Report, run

if TYPE_CHECKING:
    from maas_lab.local.runtime import Runtime

HERE = Path(__file__).parent
LOCK, QUANTISE = HERE / "locks" / "quantise.txt", HERE / "quantise.py"
NEEDED = 7 * 10**8  # bytes: 0.5 GB of weights, and the quantiser while it works
# Each file's sha256: the arithmetic is IEEE's, so every machine makes the same ones.
WEIGHTS = {
    "F16": "bf96b6ccd3424db8cd70940c4fed41eba58a605ac2cb3e9dea76b5d81143cdc6",
    "Q8_0": "2bee9587dc93d258aac88b8abefe479bea465140b6a6ca5da1eba52463be2c3d",
    "Q4_0": "6e4b91cd3586645ff373f2c7c054a3902574618f664e09fc9002483612afcde5",
}


def build(part: Path, runtime: Runtime, report: Report) -> None:
    """Make the weights in all precisions, and delete what made them.

    Raises:
        InstallError: a download failed, or a file is not the one that this lab was tested with.
        EnvironmentFault: no space.
    """
    packages.refuse_full(part, NEEDED, "the model's other precisions")
    tools = part / "packages"
    with packages.hinting():
        packages.pip_install(runtime.python, LOCK, report, into=tools)
        report(f"making the model's weights in {', '.join(WEIGHTS)}", 0, 0)
        argv = [str(runtime.python), "-I", str(QUANTISE), str(tools), str(runtime.model), str(part), *WEIGHTS]
        run(argv, "making the model's other precisions")
    shutil.rmtree(tools)
    for name, sha256 in WEIGHTS.items():
        packages.verify(part / f"{name}.gguf", sha256, AGAIN)
