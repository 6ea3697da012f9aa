"""The lab's home: rights, turns, and the promise to remove only what is the lab's."""

import errno
import fcntl
import json
import threading
import time

import pytest

from maas_lab import doctor
from maas_lab.errors import EnvironmentFault, UsageError
from maas_lab.local import LocalCluster
from maas_lab.local.home import Home, write_private
from maas_lab.local.runtime import install
from maas_lab.settings import Settings


@pytest.fixture
def home(tmp_path):
    one = Home(tmp_path / "home")
    one.create()
    return one


def test_nobody_else_may_look(home):
    assert home.root.stat().st_mode & 0o777 == 0o700


def test_a_deployment_is_complete_for_one_start_of_the_daemon(home):
    status = {"pid": 1, "created": 2.5, "phase": "running"}
    assert not home.is_complete(status)
    home.complete(status)
    assert home.is_complete(status | {"phase": "stopping"})
    assert not home.is_complete(status | {"created": 3.5})


def test_two_do_not_deploy_at_the_same_time(home):
    order = []

    def deploy(name):
        with home.turn():
            order.append(f"{name} begins")
            entered.set()
            time.sleep(0.1)
            order.append(f"{name} ends")

    entered = threading.Event()
    first = threading.Thread(target=deploy, args=("first",))
    first.start()
    entered.wait(5)
    deploy("second")
    first.join()
    assert order == ["first begins", "first ends", "second begins", "second ends"]


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no lab's home"):
        Home(tmp_path).create()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.txt"]


def test_a_configuration_file_may_be_there_first(tmp_path):
    (tmp_path / "config.toml").write_text("")
    Home(tmp_path).create()


@pytest.mark.parametrize("name", ["course", "deployment", "deployment.git"])
def test_what_the_learner_made_stays_over_a_reset_and_is_there_first_at_the_next_start(home, name):
    (home.root / name).mkdir()
    assert home.remove() == [name]
    Home(home.root).create()


def test_remove_keeps_what_is_not_the_labs(home):
    (home.root / "config.toml").write_text("# mine")
    (home.root / "notes.txt").write_text("mine")
    (home.root / "kubeconfig").write_text("{}")
    assert home.remove() == ["config.toml", "notes.txt"]
    assert sorted(p.name for p in home.root.iterdir()) == ["config.toml", "notes.txt"]


def test_remove_takes_the_empty_folder_too(home):
    assert home.remove() == []
    assert not home.root.exists()


def test_remove_follows_no_link(home, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    (home.root / "runtime").symlink_to(outside)
    home.remove()
    assert (outside / "file").read_text() == "mine"


def test_a_folder_that_is_no_home_is_not_removed(tmp_path):
    with pytest.raises(UsageError, match="no lab's home"):
        Home(tmp_path).remove()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault) as caught:
        Home(tmp_path / "file" / "home").create()
    assert "MAAS_LAB_HOME" in caught.value.hint


def test_a_reader_never_sees_half_a_file(tmp_path):
    file = tmp_path / "status.json"
    write_private(file, json.dumps({"a": 1}))
    write_private(file, json.dumps({"a": 2}))
    assert json.loads(file.read_text()) == {"a": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_only_one_holds_the_lock(home):
    with home.lock() as first, home.lock() as second:
        assert (first, second) == (True, False)
    with home.lock() as again:
        assert again


@pytest.mark.parametrize("kind", ["flock", "lockf"])
def test_storage_without_locks_is_told_with_the_way_out(tmp_path, monkeypatch, kind):
    """Some network file systems refuse the one kind of locks or the other."""

    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, kind, refuse)
    with pytest.raises(EnvironmentFault, match="cannot be locked") as caught:
        Home(tmp_path / "home").create()
    assert "No locks available" in caught.value.why
    assert caught.value.hint == "MAAS_LAB_HOME=/a/local/folder ./lab up"
    with pytest.raises(EnvironmentFault, match="cannot be locked"):
        install(tmp_path / "runtime", lambda text, done, total: None)
    found = {one.topic: one for one in doctor.examine(LocalCluster(Settings(home=tmp_path / "home")))}
    assert not found["home"].ok
    assert "MAAS_LAB_HOME=" in found["home"].hint
