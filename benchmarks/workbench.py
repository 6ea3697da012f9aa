"""A workbench as OpenShift AI gives it: its packages, its arbitrary account, its home on a volume, and its restarts."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.install import ROOT, timed

# What the image "Jupyter | Data Science | CPU | Python 3.12" of OpenShift AI 3.6-EA1 has of what the lab needs or
# touches; read in opendatahub-io/notebooks 378d499 (2026-08-21). Its notebook 7.6.2 asks for another JupyterLab.
PINS = {
    **{"jupyterlab": "4.5.10", "jupyter-server": "2.20.0", "ipywidgets": "8.1.2"},
    **{"jupyterlab-widgets": "3.0.16", "kubernetes": "36.0.3", "pandas": "2.3.3", "numpy": "2.5.2"},
    **{"matplotlib": "3.11.1", "plotly": "6.9.0", "papermill": "2.7.0", "nbclient": "0.11.0", "nbconvert": "7.17.1"},
    **{"nbformat": "5.11.0", "nbdime": "4.0.4", "jupyterlab-git": "0.54.1", "jupyter-server-proxy": "4.5.0"},
    **{"jupyter-resource-usage": "1.2.1", "httpx": "0.28.1", "requests": "2.33.0", "pydantic": "2.13.4"},
    **{"sqlalchemy": "2.0.52", "psycopg": "3.3.4", "fastapi": "0.141.1", "starlette": "1.6.0", "uvicorn": "0.34.0"},
    **{"prometheus-client": "0.24.1", "psutil": "7.2.2", "tabulate": "0.10.0", "pip": "26.2.1"},
}
UID = "1000660000"  # OpenShift gives each namespace a range of them, and none is in /etc/passwd
# The capability stands for a repository and an interpreter that everybody may read, wherever they are here; access(2)
# heeds it only with that bit.
AS_UID = (
    *("setpriv", f"--reuid={UID}", "--regid=0", "--clear-groups", "--bounding-set=-all,+dac_read_search"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--securebits=+no_setuid_fixup"),
)
NOWHERE = "http://127.0.0.1:9/simple"
IMPORTS = "import maas_lab; [getattr(maas_lab, name) for name in maas_lab.__all__]"


def python() -> str:
    """Return a Python 3.12, as workbenches have it, or this one where there is none."""
    versions = Path.home() / ".pyenv" / "versions"
    for one in (shutil.which("python3.12"), *map(str, versions.glob("3.12.*/bin/python3.12"))):
        if one and subprocess.run([one, "-c", ""], capture_output=True, check=False).returncode == 0:
            return one
    return sys.executable


def installed(venv: Path) -> dict[str, str]:
    """Return the packages of an environment and their versions."""
    (site,) = venv.glob("lib/*/site-packages")
    return {one.name.lower().replace("_", "-"): one.version for one in importlib.metadata.distributions(path=[site])}


def spent(argv: list, env: dict[str, str]) -> list[str]:
    """Run a program; return its seconds, and those of them in which a processor worked for it."""
    before = psutil.Process().cpu_times()
    seconds = timed(argv, env)
    after = psutil.Process().cpu_times()
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return [f"{seconds:.1f}", f"{worked:.1f}"]


def measure() -> tuple[str, list[str], list[list[str]]]:
    """Build the environment, install the lab into it as OpenShift's account, and once more after a restart."""
    with tempfile.TemporaryDirectory(prefix="maas-lab-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        venv, image, home = folder / "app-root", folder / "image", folder / "volume"
        subprocess.run([python(), "-m", "venv", venv], check=True)
        pins = [f"{name}=={version}" for name, version in PINS.items()]
        subprocess.run([venv / "bin" / "python", "-m", "pip", "install", "-q", *pins], check=True)
        subprocess.run(["git", "clone", "--quiet", ROOT, folder / "maas-lab"], check=True)
        home.mkdir()
        for path in (venv, home):
            subprocess.run(["chown", "-R", "1001:0", path], check=True)
            subprocess.run(["chmod", "-R", "g=u", path], check=True)
        subprocess.run(["cp", "-a", venv, image], check=True)
        before = installed(venv)
        env = _environment(venv, home)
        argv = [*AS_UID, folder / "maas-lab" / "lab", "status"]
        first = spent(argv, env)
        after = installed(venv)
        subprocess.run([venv / "bin" / "python", "-m", "pip", "check"], check=True, capture_output=True)
        subprocess.run([*AS_UID, venv / "bin" / "python", "-c", IMPORTS], check=True, env=env, cwd=home)
        shutil.rmtree(venv)
        image.rename(venv)  # as a restart leaves it
        restored = spent(argv, env | {"PIP_INDEX_URL": NOWHERE})
        again = installed(venv)
    changed = [name for name, version in before.items() if after.get(name) != version]
    version = subprocess.run([python(), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    rows = [
        ["the notebook environment, as an arbitrary user id", *first, "60"],
        ["after a restart, without any index", *restored, "15"],
        [f"packages changed, of {len(before)}", str(len(changed)), "", "0"],
        ["packages added", str(len(after) - len(before)), "", ""],
        ["other packages after the restart", str(len(set(after.items()) ^ set(again.items()))), "", "0"],
    ]
    return f"A workbench's packages on Python {version}", ["", "seconds or number", "of a processor", "bound"], rows


def _environment(venv: Path, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or "CERT" in name}
    path = f"{venv / 'bin'}:{os.environ['PATH']}"
    return kept | {"PATH": path, "HOME": str(home), "NB_PREFIX": "/notebook/class/learner", "PIP_NO_CACHE_DIR": "1"}
