import os
import sys

import pytest

from maas_lab import settings
from maas_lab.errors import UsageError


def load(home, text=None):
    if text is not None:
        home.mkdir(exist_ok=True)
        (home / "config.toml").write_text(text)
    return settings.load({"MAAS_LAB_HOME": str(home)})


def test_defaults_fit_a_small_machine(tmp_path):
    chosen = load(tmp_path / "home")
    assert chosen.home == tmp_path / "home"
    assert chosen.runtime_folder == tmp_path / "home" / "runtime"
    assert chosen.model.threads >= 1
    assert chosen.model.slots * chosen.model.context == 8192


def test_the_home_of_the_account_is_the_default():
    assert settings.load({}).home.name == ".maas-lab"


def test_a_runtime_can_be_shared(tmp_path):
    chosen = settings.load({"MAAS_LAB_HOME": str(tmp_path), "MAAS_LAB_RUNTIME": str(tmp_path / "shared")})
    assert chosen.runtime_folder == tmp_path / "shared"


def test_the_file_is_read(tmp_path):
    chosen = load(tmp_path, "[model]\nthreads = 2\n[prices]\ninput = 0.5\n")
    assert (chosen.model.threads, chosen.prices.input, chosen.prices.output) == (2, 0.5, 0.002)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[modle]\nthreads = 1\n", "did you mean `model`?"),
        ("[model]\nthread = 1\n", "did you mean `model.threads`?"),
        ("[model]\ncolour = 1\n", "known names: model.threads, model.slots, model.context"),
        ("[model]\nthreads = 'two'\n", "correct `model.threads`"),
        ("[model]\nthreads = true\n", "correct `model.threads`"),
        ("[model]\nthreads = 0\n", "correct `model.threads`"),
        ("model = 3\n", "write [model]"),
        ("[model\n", "mend that line"),
    ],
)
def test_a_typo_gets_one_clear_error(tmp_path, text, told):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert told in caught.value.hint
    assert str(tmp_path / "config.toml") in caught.value.what
    assert caught.value.exit_code == 2


def test_loopback_is_never_proxied(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "172.30.0.1")
    settings.never_proxy_inside()
    settings.never_proxy_inside()
    assert os.environ["NO_PROXY"] == "example.com,127.0.0.1,localhost,.svc,.cluster.local,172.30.0.1"


def test_processes_get_nothing_of_the_learners_environment():
    env = settings.child_environment({"PATH": "/bin", "OPENAI_API_KEY": "x", "PYTHONPATH": "y", "HTTPS_PROXY": "z"})
    assert set(env) == {"PATH", "NO_PROXY", "no_proxy"}


def test_the_daemon_knows_how_to_reach_the_package_index_and_its_pods_do_not():
    learner = {
        "PATH": "/bin",
        "PIP_INDEX_URL": "i",
        "https_proxy": "p",
        "NO_PROXY": "example.com",
        "OPENAI_API_KEY": "x",
    }
    env = settings.daemon_environment(learner)
    assert (env["PIP_INDEX_URL"], env["https_proxy"]) == ("i", "p")
    assert (env["NO_PROXY"], env["no_proxy"]) == ("example.com,127.0.0.1,localhost", "127.0.0.1,localhost")
    assert "OPENAI_API_KEY" not in env
    assert settings.pip_python(env) == settings.pip_python({}) == sys.executable
    assert set(settings.child_environment(env)) == {"PATH", "NO_PROXY", "no_proxy"}


@pytest.mark.parametrize(
    ("env", "address"),
    [
        ({}, None),
        ({"JUPYTER_SERVER_URL": "http://127.0.0.1:8888/"}, "http://127.0.0.1:8888/"),
        ({"NB_PREFIX": "/notebook/ns/wb"}, "/notebook/ns/wb/lab"),
    ],
)
def test_a_hosting_jupyter_is_noticed(env, address):
    assert settings.jupyter_address(env) == address
