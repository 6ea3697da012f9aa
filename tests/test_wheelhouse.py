"""A wheelhouse: made by pip and npm, looked at before anything is installed, and enough without any index."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from maas_lab import bundle, settings
from maas_lab.bundle import Bundle
from maas_lab.errors import InstallError, UsageError
from maas_lab.local import packages, wheelhouse
from maas_lab.local import runtime as installation
from maas_lab.local.gitops import library
from maas_lab.local.runtime import Runtime
from tests.wheels import make_wheel

CLOSED = "http://127.0.0.1:9"


def silent(text, done, total):
    pass


@pytest.fixture
def made(tmp_path):
    """A wheelhouse that holds next to nothing, at a place with spaces and an umlaut."""
    one = Bundle(tmp_path / "a wheel häuschen")
    make_wheel(one.notebook, "alpha", "1.0")
    make_wheel(one.notebook, "beta", "1.0")
    one.seal()
    return one


def test_one_that_is_as_it_was_made_is_taken(made):
    made.verify()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: file.unlink(), "missing: notebook/alpha"),
        (lambda file: file.write_bytes(b"other"), "changed: notebook/alpha"),
        (lambda file: file.with_name("mine.whl").touch(), "foreign: notebook/mine.whl"),
        (lambda file: file.with_name("out").symlink_to("/etc"), "foreign: notebook/out"),
    ],
)
def test_what_is_missing_changed_or_foreign_is_named(made, spoil, told):
    spoil(next(made.notebook.glob("alpha*")))
    with pytest.raises(InstallError, match="is not as it was made") as caught:
        made.verify()
    assert told in caught.value.why
    assert "./lab wheelhouse" in caught.value.hint


@pytest.mark.parametrize(
    ("changed", "what", "why"),
    [
        ({"python": "3.9"}, "is not for this machine", "it is for Python 3.9 on"),
        ({"platform": "macosx-14.0-arm64"}, "is not for this machine", "on macosx-14.0-arm64, and this is Python"),
        ({"glibc": "9.1"}, "is not for this machine", "it needs glibc 9.1, and here is"),
        ({"lab": "another"}, "is of another version of the lab", "pinned"),
        ({"files": None}, "is no complete wheelhouse", "manifest.json"),
    ],
)
def test_one_that_cannot_be_used_here_says_why(made, changed, what, why):
    told = json.loads(made.manifest.read_text()) | changed
    made.manifest.write_text(json.dumps({name: value for name, value in told.items() if value}))
    with pytest.raises(InstallError, match=what) as caught:
        made.verify()
    assert why in caught.value.why


def test_a_wheels_name_tells_the_glibc_that_it_needs(tmp_path):
    names = {
        "a-1-cp311-cp311-manylinux_2_34_x86_64.whl": (2, 34),
        "b-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": (2, 17),
        "c-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl": (2, 27),
        "d-1-py3-none-any.whl": (2, 5),
    }
    assert {name: bundle._glibc(tmp_path / name) for name in names} == names


def test_other_pins_are_another_version_of_the_lab(tmp_path, monkeypatch):
    before = bundle.fingerprint()
    assert {lock.name for lock in wheelhouse.LOCKS} | {"package-lock.json"} == {pin.name for pin in bundle.PINS}
    (tmp_path / "pins").write_text("other")
    monkeypatch.setattr(bundle, "PINS", (tmp_path / "pins",))
    assert bundle.fingerprint() != before


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no wheelhouse") as caught:
        wheelhouse.make(tmp_path, silent)
    assert "thesis.txt" in caught.value.why
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A wheelhouse as `./lab wheelhouse` makes it, but of few packages, and what an interruption leaves in it."""
    folder = tmp_path_factory.mktemp("small") / "räder und mehr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheelhouse, "LOCKS", (library.LOCK,))
        patch.setattr(wheelhouse, "asked", lambda: ["rich>=13"])
        one = Bundle(folder)
        for left, text in ((one.runtime / "dulwich-0.1-py3-none-any.whl", ""), (one.npm / "pg-8.23.1.tgz", "half")):
            left.parent.mkdir(parents=True)
            left.write_text(text)
        wheelhouse.make(folder, silent)
    return one


@pytest.fixture
def offline(small, monkeypatch):
    """An environment in which every index and registry is a closed port."""
    for name, value in {"PIP_INDEX_URL": f"{CLOSED}/simple", "PIP_EXTRA_INDEX_URL": CLOSED}.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "npm_config_registry"):
        monkeypatch.setenv(name, CLOSED)
    monkeypatch.setenv("MAAS_LAB_WHEELHOUSE", str(small.folder))
    return settings.install_environment()


def test_what_the_command_makes_is_whole_and_nothing_else(small):
    small.verify()
    names = [path.name for path in small.runtime.iterdir()]
    assert [name.split("-")[0] for name in names] == ["dulwich"]
    assert "dulwich-0.1-py3-none-any.whl" not in names
    assert len(list(small.npm.iterdir())) == 25
    assert all("--hash=sha256:" in line for line in small.lock.read_text().splitlines()[1:])


def test_the_parts_of_the_runtime_environment_come_out_of_it_alone(offline, tmp_path, monkeypatch):
    (tmp_path / "git part").mkdir()
    library.build(tmp_path / "git part", SimpleNamespace(python=Path(sys.executable)), silent)
    assert (tmp_path / "git part" / library.SIGN).is_dir()
    target = Runtime(tmp_path / "räume")
    target.folder.mkdir()
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "empty"))
    installation._aside(target._node_part, lambda part: installation._build_node(part, target, silent))
    assert (target.node_modules / "@prisma" / "client" / "package.json").exists()


def test_the_notebook_environment_comes_out_of_it_alone(offline, small):
    env = settings.offline(small.notebook, offline)
    argv = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-q", "--report", "-"]
    done = subprocess.run([*argv, "rich", "flit_core"], env=env, capture_output=True, text=True, check=True)
    assert {"rich", "flit_core", "Pygments"} <= {one["metadata"]["name"] for one in json.loads(done.stdout)["install"]}
    refused = subprocess.run([*argv, "nbval"], env=env, capture_output=True, text=True, check=False)
    assert "No matching distribution found for nbval" in refused.stderr


def test_a_spoilt_one_is_refused_before_anything_is_installed(offline, small, tmp_path):
    foreign = small.runtime / "mine.whl"
    foreign.touch()
    try:
        with pytest.raises(InstallError, match="is not as it was made"):
            installation.install(tmp_path / "runtime", silent, ["git"])
    finally:
        foreign.unlink()
    assert not (tmp_path / "runtime").exists()


def test_the_daemon_installs_from_it_too(offline):
    told = settings.daemon_environment()
    assert (told["PIP_NO_INDEX"], told["PIP_CONFIG_FILE"]) == ("1", os.devnull)
    assert "PIP_INDEX_URL" not in told
    assert told["PIP_FIND_LINKS"].startswith("file:///")


@pytest.mark.parametrize("folder", ["/w/a wheel häuschen/", "/w/"])
def test_a_wheel_at_any_place_counts_as_fetched(folder):
    line = f"Processing {folder}numpy-2.4.6-cp311-cp311-linux_x86_64.whl"
    assert packages.FETCHED.match(line)["file"] == "numpy-2.4.6"
