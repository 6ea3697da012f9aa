"""JupyterLab: started in the foreground, once, without a look at the network; the stack outlives it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from maas_lab import settings, wait

ROOT = Path(__file__).parents[1]
UP = [sys.executable, "-m", "maas_lab", "up"]


@pytest.fixture
def alone(tmp_path):
    """An environment in which no other Jupyter server is seen."""
    hosted = ("NB_PREFIX", "JUPYTER_SERVER_URL")
    env = {name: value for name, value in os.environ.items() if name not in hosted}
    return env | {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}


@pytest.fixture
def server(stack, alone, tmp_path):
    """`./lab up` with JupyterLab in the foreground: the process, and what the server says of itself."""
    process = subprocess.Popen(
        [*UP], env=alone, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )

    def answers():
        for file in (tmp_path / "runtime").glob("jpserver-*.json"):
            told = json.loads(file.read_text())
            return ask(told, "api").status_code == 200 and told
        return None

    yield process, wait.until(answers, what="JupyterLab", timeout=60, transient=(httpx.HTTPError, ValueError))
    if process.poll() is None:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        process.communicate()


def ask(told, path):
    headers = {"Authorization": f"token {told['token']}"}
    return httpx.get(f"{told['url']}{path}", headers=headers, trust_env=False)


def test_jupyterlab_runs_in_the_foreground_and_the_stack_outlives_it(server, stack, alone):
    process, told = server
    assert told["root_dir"] == str(ROOT / "notebooks")
    assert psutil.Process(told["pid"]).ppid() == process.pid
    listening = [s.laddr.ip for s in psutil.Process(told["pid"]).net_connections() if s.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}
    plugin = ask(told, "lab/api/settings/@jupyterlab/apputils-extension:notification").json()
    defaults = {name: one["default"] for name, one in plugin["schema"]["properties"].items()}
    assert (defaults["fetchNews"], defaults["checkForUpdates"]) == ("false", False)

    again = subprocess.run(UP, env=alone, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert f"JupyterLab runs already: open {told['url']}lab?token={told['token']}\n" in again.stdout

    psutil.Process(told["pid"]).terminate()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "JupyterLab has ended; the lab goes on running. Stop it: ./lab down" in output
    assert stack.local.status()["ready"]


@pytest.mark.parametrize(
    ("hosted", "address"),
    [
        ({"NB_PREFIX": "/notebook/team/wb"}, "/notebook/team/wb/lab"),
        ({"JUPYTER_SERVER_URL": "http://localhost:8888/"}, "http://localhost:8888/"),
    ],
)
def test_inside_jupyter_none_is_started(stack, alone, hosted, address):
    done = subprocess.run(UP, env=alone | hosted, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0
    assert f"JupyterLab runs already: open {address} and there the folder notebooks\n" in done.stdout


def test_the_users_own_jupyter_defaults_come_first():
    env = settings.jupyter_environment(Path("/ours"), {"JUPYTER_CONFIG_PATH": "/mine"})
    assert env["JUPYTER_CONFIG_PATH"] == "/mine:/ours"
    assert settings.jupyter_environment(Path("/ours"), {})["JUPYTER_CONFIG_PATH"] == "/ours"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_runs_in_the_foreground_ends_with_whoever_started_it(number, tmp_path):
    """A killed `./lab up`, or its closed terminal, leaves no JupyterLab and no kernels behind."""
    sleeper = "import pathlib, time; pathlib.Path('up').touch(); time.sleep(600)"
    code = f"import sys; from maas_lab import shell; sys.exit(-shell.foreground([sys.executable, '-c', {sleeper!r}]))"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env)
    wait.until((tmp_path / "up").exists, what="the program", timeout=30)
    (child,) = psutil.Process(process.pid).children()
    process.send_signal(number)
    assert process.wait(timeout=30) == signal.SIGTERM
    assert not child.is_running()
