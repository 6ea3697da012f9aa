"""The lab's home: rights, secrets, ports, and the promise to remove only what is the lab's."""

import json
import socket

import pytest

from maas_lab.errors import EnvironmentFault, UsageError
from maas_lab.local.home import Home, Secrets, write_private


@pytest.fixture
def home(tmp_path):
    one = Home(tmp_path / "home")
    one.create()
    return one


def test_nobody_else_may_look(home):
    home.secrets()
    assert home.root.stat().st_mode & 0o777 == 0o700
    assert (home.root / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_secrets_are_made_once_and_differ_between_homes(home, tmp_path):
    other = Home(tmp_path / "other")
    other.create()
    assert home.secrets() == home.secrets()
    assert home.secrets().master_key != other.secrets().master_key
    assert len({*vars(Secrets.random()).values()}) == 4


def test_secrets_do_not_show(home):
    assert home.secrets().master_key not in f"{home.secrets()!r} {home.secrets()}"


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no lab's home"):
        Home(tmp_path).create()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.txt"]


def test_a_configuration_file_may_be_there_first(tmp_path):
    (tmp_path / "config.toml").write_text("")
    Home(tmp_path).create()


def test_remove_keeps_what_is_not_the_labs(home):
    (home.root / "config.toml").write_text("# mine")
    (home.root / "notes.txt").write_text("mine")
    home.secrets()
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


def test_ports_are_kept_while_they_are_free(home):
    first = home.ports(["gateway", "model"])
    assert len(set(first.values())) == 2
    assert home.ports(["gateway", "model"]) == first


def test_a_taken_port_is_replaced_and_the_others_stay(home):
    first = home.ports(["gateway", "model"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["gateway"]))
        taken.listen()
        second = home.ports(["gateway", "model"])
        assert second["gateway"] != first["gateway"]
        assert second["model"] == first["model"]
        assert home.ports(["gateway"], ours=[second["gateway"]]) == {"gateway": second["gateway"]}


def test_a_port_that_is_held_by_our_own_process_is_kept(home):
    first = home.ports(["gateway"])
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", first["gateway"]))
        ours.listen()
        assert home.ports(["gateway"], ours=[first["gateway"]]) == first


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
