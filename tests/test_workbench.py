"""An OpenShift AI workbench: none of its packages changes, and lessons run under its arbitrary account."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import workbench
from maas_lab.environment import Environment

ROOT = Path(__file__).parents[1]
# A notebook's cells, run as papermill runs them; the first four of lesson 00 call the model.
CELLS = """\
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:5]
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print("".join(output.get("text", "") for cell in notebook.cells for output in cell.outputs))
"""


def test_installing_the_lab_changes_no_package_of_a_workbench(tmp_path):
    """pip sees exactly the workbench's packages, by their metadata, and chooses what has to be added.

    The whole environment is built by `python -m benchmarks workbench`, which takes minutes.
    """
    python = workbench.python()
    venv = tmp_path / "app-root"
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/*/site-packages")
    for name, version in workbench.PINS.items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "INSTALLER").write_text("pip\n")
    pip = (sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"))
    found = Environment(str(ROOT), dict(os.environ), pip, keep=True, places=(str(site),))
    added = {line.partition("==")[0].lower(): line for line in found._choose(tmp_path / "report.json")}
    assert set(workbench.PINS) & set(added) == set(), f"on {python}"
    assert {"openai", "nbval", "jiter", "coverage"} <= set(added), f"on {python}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_lesson_runs_under_an_arbitrary_user_id_with_its_home_on_another_volume(stack, tmp_path):
    """The account has no entry in /etc/passwd, and may write nothing but its home."""
    (tmp_path / "cells.py").write_text(CELLS)
    volume = tmp_path / "volume"
    volume.mkdir()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "test_")):
            folder.chmod(0o755)
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(stack.local.kubeconfig, kubeconfig)
    shutil.chown(kubeconfig, int(workbench.UID))
    mount = f"mount -t tmpfs -o uid={workbench.UID},gid=0,mode=770 none '{volume}' && exec \"$@\""
    lesson = str(ROOT / "solutions" / "00_start.ipynb")
    argv = ["unshare", "--mount", "sh", "-c", mount, "sh", *workbench.AS_UID, sys.executable, "cells.py", lesson]
    env = {"PATH": os.environ["PATH"], "HOME": str(volume), "PYTHONPATH": str(ROOT)}
    env |= {"MAAS_LAB_KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the gateway booked the tokens that you received: True" in done.stdout
