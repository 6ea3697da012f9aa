"""The `./lab` command: wrong use, failures without tracebacks, and the shell script that finds the environment."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def lab(tmp_path):
    """Run the command in a home that does not exist yet."""

    def run(*arguments, home=tmp_path / "home", **env):
        return subprocess.run(
            [sys.executable, "-m", "maas_lab", *arguments],
            cwd=ROOT,
            env=os.environ | {"MAAS_LAB_HOME": str(home), "COLUMNS": "200"} | env,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["upp"], "No such command 'upp'"),
        (["up", "--nojupyter"], "No such option"),
        (["logs"], "Missing argument 'NAME'"),
        (["run", "-p", "prompts"], "-p takes a name and a value"),
        (["run", "99_nothing"], "99_nothing"),
        (["reset"], "./lab reset --yes"),
        (["grade", "no-such-folder"], "there are no submissions in no-such-folder"),
        (["grade", "notebooks", "-j", "0"], "Invalid value for '-j'"),
        (["class", "delete"], "./lab class delete --name class --yes"),
        (["class", "create", "0"], "a class has 1 to 200 learners"),
        (["class", "create", "2", "--name", "My class"], "cannot be the name of a class"),
        (["class", "create", "2", "--budget", "0"], "0.01"),
    ],
)
def test_wrong_use_exits_2_with_a_helpful_line(lab, arguments, told):
    done = lab(*arguments)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
    assert done.stdout == ""


def test_a_typo_in_the_configuration_exits_2(lab, tmp_path):
    (tmp_path / "config.toml").write_text("[model]\nthread = 1\n")
    done = lab("status", home=tmp_path)
    assert done.returncode == 2
    assert "did you mean `model.threads`?" in done.stderr


def test_status_of_a_lab_that_never_ran(lab):
    done = lab("status", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "ready": False,
        "phase": "stopped",
        "endpoints": {},
        "model": "",
        "workloads": [],
    }
    assert "stopped" in lab("status").stdout


def test_down_of_a_lab_that_never_ran(lab):
    done = lab("down")
    assert (done.returncode, done.stdout) == (0, "The lab was not running.\n")


def test_reset_refuses_a_folder_that_is_no_home(lab, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    done = lab("reset", "--yes", home=tmp_path)
    assert done.returncode == 2
    assert "is no lab's home" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_run_without_a_lab_says_what_to_do(lab):
    done = lab("run", "03_consumer")
    assert done.returncode == 1
    assert "try: ./lab up" in done.stderr


def test_logs_of_something_unknown(lab):
    done = lab("logs", "gatway")
    assert done.returncode == 2
    assert "there is no log of 'gatway'" in done.stderr


def test_doctor_finds_a_certificate_file_that_is_not_there(lab):
    done = lab("doctor", SSL_CERT_FILE="/nonexistent/ca.pem", HTTPS_PROXY="http://me:secret@proxy:3128")
    assert done.returncode == 1
    assert "SSL_CERT_FILE names a file that does not exist" in done.stdout
    assert "secret" not in done.stdout


def test_doctor_notices_a_kubeconfig_that_leads_nowhere(lab, tmp_path):
    done = lab("doctor", MAAS_LAB_KUBECONFIG=str(tmp_path / "class-01.kubeconfig"))
    assert done.returncode == 1
    assert "class-01.kubeconfig" in done.stdout


def test_doctor_notices_a_half_built_runtime(lab, tmp_path):
    (tmp_path / "runtime" / "python-3.11-0.building").mkdir(parents=True)
    done = lab("doctor", MAAS_LAB_RUNTIME=str(tmp_path / "runtime"))
    assert done.returncode == 1
    assert "half-built" in done.stdout


def test_up_takes_nothing_from_a_folder_that_is_no_wheelhouse(lab, tmp_path):
    (tmp_path / "usb stick").mkdir()
    argv = ("up", "--no-jupyter", "--wheelhouse", str(tmp_path / "usb stick"))
    done = lab(*argv, MAAS_LAB_RUNTIME=str(tmp_path / "runtime"))
    assert done.returncode == 1
    assert f"{tmp_path}/usb stick is no complete wheelhouse" in done.stderr
    assert "./lab wheelhouse DIR" in done.stderr
    assert not (tmp_path / "runtime").exists()


def test_help_names_every_command(lab):
    told = lab("--help").stdout
    for command in ("up", "down", "reset", "status", "logs", "run", "lessons", "test", "doctor"):
        assert f"\n  {command} " in told, command


def test_the_readme_shows_the_programs_own_help(lab):
    told = lab("--help", COLUMNS="80").stdout
    assert "\n".join(line.rstrip() for line in told.strip().splitlines()) in (ROOT / "README.md").read_text()


def script(*arguments, **env):
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHON")}
    return subprocess.run(
        ["sh", str(ROOT / "lab"), *arguments], env=kept | env, capture_output=True, text=True, check=False
    )


def copy_of_script(folder: Path) -> Path:
    for name in ("lab", "pyproject.toml"):
        (folder / name).write_text((ROOT / name).read_text())
    return folder / "lab"


def test_the_script_uses_the_active_environment_as_it_is(tmp_path):
    done = script("status", VIRTUAL_ENV=sys.prefix, MAAS_LAB_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert "The lab is stopped" in done.stdout


def test_a_python_that_is_too_old_gets_one_clear_error(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18"\nexit 1\n')
    old.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": str(old)}
    done = subprocess.run(["sh", copy_of_script(tmp_path), "up"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no usable Python" in done.stderr
    assert "the lab needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_an_active_environment_with_another_python_is_refused(tmp_path):
    (tmp_path / "env" / "bin").mkdir(parents=True)
    old = tmp_path / "env" / "bin" / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18"\nexit 1\n')
    old.chmod(0o755)
    env = os.environ | {"VIRTUAL_ENV": str(tmp_path / "env")}
    done = subprocess.run(["sh", copy_of_script(tmp_path), "up"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the active environment's Python cannot be used" in done.stderr
    assert "Python 3.9.18" in done.stderr


SHELLS = list(filter(shutil.which, ("sh", "dash", "bash", "zsh")))  # POSIX, Debian's, most people's, macOS's
FAKE = """#!/bin/sh
[ "$1" = -c ] || [ "$2" = pip ] || printf '%s\\n' "${MAAS_LAB_WHEELHOUSE:-}" "$@" "." >> "$LOG"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_runs_in_each_shell_at_any_place_and_tells_where_packages_come_from(shell, tmp_path):
    there, venv, log = tmp_path / "my läb $HOME", tmp_path / "an env", tmp_path / "log"
    there.mkdir()
    python = venv / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(FAKE)
    python.chmod(0o755)
    argv = [shell, copy_of_script(there), "up", "--wheelhouse", "räder und mehr"]
    env = {"PATH": os.environ["PATH"], "VIRTUAL_ENV": str(venv), "LOG": str(log)}
    for _ in range(2):
        subprocess.run(argv, env=env, check=True, cwd=tmp_path, capture_output=True)
    wheels, last = "räder und mehr", ["-m", "maas_lab", "up", "--wheelhouse", "räder und mehr"]
    calls = [["-m", "maas_lab.environment", str(there)], last, last]  # the second time all is there
    assert log.read_text() == "".join(f"{line}\n" for call in calls for line in (wheels, *call, "."))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_ends_where_the_installation_failed(shell, tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$2" != maas_lab.environment ] || exit 7\n[ "$2" != maas_lab ] || echo went on\n')
    python.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "VIRTUAL_ENV": str(tmp_path / "env")}
    argv = [shell, copy_of_script(tmp_path), "up"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "")
    assert not (tmp_path / "env" / ".maas-lab").exists()


def test_conda_and_pip_get_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text().splitlines()]
    listed = [line.removeprefix("- ").partition(" #")[0] for line in lines if line.startswith("- ")]
    conda, pip = listed[1 : listed.index("pip:")], listed[listed.index("pip:") + 1 :]
    assert conda[:2] == [f"python{project['requires-python']}", "pip>=24.1"]
    assert {"curl", "git", "kubernetes-client", "nodejs>=18"} == set(conda[2:])
    assert {*pip, conda[1]} == set(project["dependencies"])
