"""Other clients, each in an environment of its own, because no two releases can be installed together.

The environments are made from pinned versions in the folder of the test run; pip's cache makes the second time quick.
"""

import subprocess
import sys
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent / "clients"
LANES = {"kubernetes-35": "official", "kubernetes-36": "official", "kubernetes-37": "official", "kr8s": "with_kr8s"}


@pytest.fixture
def environment(lab_under_test):
    """Make the environment of a lane, once, and return its Python."""

    def made(lane):
        folder = lab_under_test.folder / "clients" / lane
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            run(sys.executable, "-m", "venv", "--without-pip", str(folder))
            pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "--no-compile")
            run(*pip, "--disable-pip-version-check", "--only-binary", ":all:", "-r", str(CLIENTS / f"{lane}.txt"))
            (folder / "complete").touch()
        return python

    return made


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("lane", LANES)
def test_the_api_serves_every_client(lane, environment, kubeconfig, space):
    python = environment(lane)
    told = run(str(python), str(CLIENTS / f"{LANES[lane]}.py"), str(kubeconfig), space.name)
    name, _, version = lane.partition("-")
    assert told.splitlines()[-1].startswith(f"all hold with {name} {version}")
