"""Other accounts: OpenShift's arbitrary user id in group 0, a home that may not be written, Ctrl-C while starting."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maas_lab import wait
from maas_lab.local import processes

ROOT = Path(__file__).parents[1]
UID = "1000680000"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# The capability lets the account read the interpreter and the checkout wherever they are, and access(2) heeds it
# only with that bit; it may write nothing more.
AS_UID = ["setpriv", f"--reuid={UID}", "--regid=0", "--clear-groups", "--bounding-set=-all,+dac_read_search",
          "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
          "--securebits=+no_setuid_fixup"]  # fmt: skip
LAB = [sys.executable, "-m", "maas_lab"]


@pytest.fixture
def elsewhere(tmp_path, runtime):
    """The environment of an account whose home directory is a folder of its own, with the shared runtime."""
    folder = tmp_path / "account"
    folder.mkdir()
    shutil.chown(folder, int(UID), 0)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MAAS_LAB_RUNTIME": str(runtime.folder),
        "PYTHONPATH": str(ROOT),
    }
    yield env
    for one in processes.leftovers(folder / ".maas-lab"):
        processes.end(one.process)


def with_passwd_entry(tmp_path: Path, argv: list[str]) -> list[str]:
    """Run in a mount namespace of its own, whose /etc/passwd has the line that OpenShift's runtime adds."""
    passwd = tmp_path / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text() + f"{UID}:x:{UID}:0:{UID} user:{tmp_path}:/sbin/nologin\n")
    return [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$0" /etc/passwd && exec "$@"',
        str(passwd),
        *argv,
    ]


def run(argv: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=env, cwd="/", capture_output=True, text=True, check=False)


def test_the_stack_runs_under_an_arbitrary_user_id(elsewhere, tmp_path):
    done = run(with_passwd_entry(tmp_path, [*AS_UID, *LAB, "up", "--no-jupyter"]), elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    owners = {one.process.uids().real for one in processes.leftovers(Path(elsewhere["HOME"]) / ".maas-lab")}
    assert owners == {int(UID)}
    done = run(with_passwd_entry(tmp_path, [*AS_UID, *LAB, "reset", "--yes"]), elsewhere)
    assert done.returncode == 0
    assert list(Path(elsewhere["HOME"]).iterdir()) == []


def test_without_a_passwd_entry_up_and_doctor_say_so(elsewhere):
    done = run([*AS_UID, *LAB, "up", "--no-jupyter"], elsewhere)
    assert done.returncode == 1
    assert f"user id {UID} has no entry in /etc/passwd" in done.stderr
    assert "Traceback" not in done.stderr
    done = run([*AS_UID, *LAB, "doctor"], elsewhere)
    assert done.returncode == 1
    assert "FAIL account" in done.stdout


def test_a_home_that_may_not_be_written_is_told(elsewhere, tmp_path):
    Path(elsewhere["HOME"]).chmod(0o555)
    env = elsewhere | {"MAAS_LAB_HOME": f"{elsewhere['HOME']}/home"}
    done = run(with_passwd_entry(tmp_path, [*AS_UID, *LAB, "up", "--no-jupyter"]), env)
    assert done.returncode == 1
    assert "EnvironmentFault: cannot write to" in done.stderr
    assert "try: set MAAS_LAB_HOME to a folder that you may write to" in done.stderr


def test_a_home_without_space_is_told_and_nothing_runs(tmp_path, runtime):
    home = tmp_path / "disk" / "home"
    home.parent.mkdir()
    mount = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=30m none "$0" && exec "$@"', str(home.parent)]
    done = run([*mount, *LAB, "up", "--no-jupyter"], os.environ | {"MAAS_LAB_HOME": str(home), "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert f"EnvironmentFault: too little space in {home}" in done.stderr
    assert "MAAS_LAB_HOME to a folder on another disk" in done.stderr
    assert processes.leftovers(home) == []


def test_ctrl_c_while_starting_leaves_nothing(tmp_path, runtime):
    home = tmp_path / "home"
    env = os.environ | {"MAAS_LAB_HOME": str(home)}
    process = subprocess.Popen(
        [*LAB, "up", "--no-jupyter"],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait.until(lambda: len(processes.leftovers(home)) >= 2, what="processes to start", timeout=60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert processes.leftovers(home) == []
    assert errors == "Stopped by Ctrl-C.\n"
