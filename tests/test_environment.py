"""The notebook environment: installed into a workbench without touching what is there, and restored after a restart."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pip
import pytest

from maas_lab import environment
from maas_lab.environment import Environment
from maas_lab.errors import InstallError
from tests.wheels import make_project, make_wheel

NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}


@pytest.fixture
def workbench(tmp_path):
    """Make a workbench's Python as its image has it, with one package."""
    make_wheel(tmp_path / "image", "alpha", "1.0")
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip").symlink_to(Path(next(iter(pip.__path__))))

    def make(name, project, env):
        folder = tmp_path / name
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (site,) = folder.glob("lib/*/site-packages")
        with zipfile.ZipFile(tmp_path / "image" / "alpha-1.0-py3-none-any.whl") as wheel:
            wheel.extractall(site)
        whole = dict(os.environ) | NOWHERE | env | {"PYTHONPATH": str(tmp_path / "pip")}
        command = (str(folder / "bin" / "python"), "-m", "pip")
        return Environment(str(project), whole, command, keep=True, places=(str(site),))

    return make


def test_a_workbench_keeps_its_packages_and_needs_no_index_after_a_restart(workbench, tmp_path, monkeypatch, capfd):
    """The image's index lacks one package; pip's own has it, and newer ones of what the image has and must keep."""
    project = make_project(tmp_path / "a project", "alpha>=1", "beta", "gamma")
    images, public, kept = tmp_path / "the image's", tmp_path / "public", tmp_path / "home" / "wheels"
    make_wheel(images, "alpha", "2.0")
    make_wheel(images, "gamma", "1.0")
    for name, version, *requires in [("gamma", "1.0"), ("beta", "1.0", "alpha"), ("beta", "2.0", "alpha>=2")]:
        make_wheel(public, name, version, *requires)
    monkeypatch.setattr(environment, "PUBLIC", {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": public.as_uri()})
    first = workbench("first", project, {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": images.as_uri()})
    first.restore(kept)
    assert first._installed == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0", "project": "1.0"}
    assert sorted(path.name.split("-")[0] for path in kept.glob("*.whl")) == ["beta", "gamma"]
    assert "From pip's own index: beta==1.0\n" in capfd.readouterr().err
    assert kept.parent.stat().st_mode & 0o777 == 0o700

    restarted = workbench("restarted", project, {})
    restarted.restore(kept)
    assert restarted._installed == first._installed


def test_what_no_index_has_is_named_with_the_way_out(workbench, tmp_path, monkeypatch):
    project = make_project(tmp_path / "project", "alpha", "Be_ta>=1", "gamma")
    monkeypatch.setattr(environment, "PUBLIC", {"PIP_NO_INDEX": "1"})
    with pytest.raises(InstallError) as caught:
        workbench("first", project, {}).restore(tmp_path / "kept")
    assert caught.value.why.endswith("; not installed: Be_ta>=1, gamma")
    assert "./lab up --wheelhouse DIR" in caught.value.hint
    assert not (tmp_path / "kept").exists()


def test_the_script_tells_an_error_and_no_traceback(tmp_path):
    env = os.environ | {"MAAS_LAB_WHEELHOUSE": str(tmp_path)}
    argv = [sys.executable, "-m", "maas_lab.environment", str(tmp_path)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"InstallError: {tmp_path} is no complete wheelhouse"
    assert len(done.stderr.splitlines()) == 3
