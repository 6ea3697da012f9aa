"""What is read out of a Git repository that nobody vouches for, and what is not."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from maas_lab import manifests
from maas_lab.local.gitops import limits
from maas_lab.local.gitops.renderer import Renderer
from maas_lab.local.gitops.spec import Request
from maas_lab.local.runtime import install
from tests.gitops_lab import ENV, Repo, config_map, library

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
ROOT = Path(__file__).parents[1]
KUSTOMIZATION = "resources: [a.yaml]\n"


@pytest.fixture(scope="module")
def rendering(runtime):
    install(runtime.folder, lambda text, done, total: None, ["git"])
    library(runtime)
    from maas_lab.local.gitops import rendering

    return rendering


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "repo")


@pytest.fixture
def render(rendering, repo):
    """Render a folder of the repository."""

    def asked(path="app", revision="main", repository=None, **more):
        given = Request(str(repository or repo.folder), revision, path, **more)
        return rendering.answer(given._asdict())

    return asked


def names(answer):
    assert "error" not in answer, answer
    return [one["metadata"]["name"] for one in answer["objects"]]


def test_the_platforms_own_manifests_render_from_git_as_from_a_folder(rendering, repo):
    shutil.copytree(ROOT / "manifests", repo.folder / "manifests")
    commit = repo.commit()
    for path in ("manifests/infrastructure/overlays/local", "manifests/models/overlays/local"):
        told = rendering.answer(Request(str(repo.folder), "main", path)._asdict())
        assert (told["revision"], told["type"]) == (commit, "Kustomize")
        assert told["objects"] == manifests.render(ROOT / path)


def test_branch_tag_and_commit_are_found_also_in_packed_and_bare_repositories(render, repo, tmp_path):
    first = repo.commit(app__a_y=config_map("first"))
    repo.git("tag", "light")
    repo.git("tag", "-a", "-m", "told", "v1.0")
    second = repo.commit(app__a_y=config_map("second"))
    repo.git("branch", "feature/x")
    wanted = {"main": second, "HEAD": second, "feature/x": second, "refs/heads/main": second, "light": first}
    wanted |= {"v1.0": first, first: first, second[:8]: second}
    for _ in range(2):
        assert {name: render(revision=name)["revision"] for name in wanted} == wanted
        repo.git("gc", "-q", "--prune=now")
        repo.git("pack-refs", "--all")
    subprocess.run(["git", "clone", "-q", "--bare", "--no-local", repo.folder, tmp_path / "bare"], env=ENV, check=True)
    assert names(render(revision="v1.0", repository=tmp_path / "bare")) == ["first"]


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        ("missing", "unable to resolve 'missing' to a commit SHA"),
        ("1234567", "unable to resolve '1234567' to a commit SHA"),
        ("a" * 40, "is not complete"),
        ("../../etc/passwd", "is no revision"),
        ("-x", "is no revision"),
        ("main@{1}", "is no revision"),
    ],
)
def test_a_revision_that_is_not_there_is_named(render, repo, revision, told):
    repo.commit(app__a_y=config_map("a"))
    assert told in render(revision=revision)["error"]


def test_what_is_not_committed_does_not_count(render, repo):
    repo.commit(app__a_y=config_map("a"))
    repo.write(app__a_y=config_map("changed"), app__b_y=config_map("b"))
    assert names(render()) == ["a"]


def test_a_plain_folder_gives_its_manifests(render, repo):
    files = {"app__a_y": config_map("a"), "app__README": "no manifest", "app__deep__b_y": config_map("b")}
    repo.commit(**files, app__c_y=config_map("c") + "---\n" + config_map("d"))
    assert names(render()) == ["a", "c", "d"]
    assert names(render(recurse=True)) == ["a", "c", "d", "b"]
    assert names(render(recurse=True, include="deep/*")) == ["b"]
    assert names(render(recurse=True, exclude="{c.yaml,deep/*}")) == ["a"]
    assert names(render(exclude="c*")) == ["a"]


BROKEN = [
    ({"app__kustomization_y": "resourcess: [a.yaml]\n"}, "unknown field `resourcess` in app/kustomization.yaml, line"),
    ({"app__kustomization_y": "resources: [b.yaml]\n"}, "app/kustomization.yaml names `b.yaml`, and there is no such"),
    ({"app__a_y": "a: [1\n"}, "app/a.yaml, line"),
    ({"app__a_y": "kind: ConfigMap\nmetadata: {}\n"}, "app/a.yaml, line 1: an object without apiVersion"),
    ({"app__a_y": config_map("a") + "---\njust text\n"}, "app/a.yaml, line 8 is not an object"),
    ({"other__a_y": config_map("a"), "app__a_y": None}, "app: app path does not exist in this commit"),
    ({"app__kustomization_y": "resources: [../../outside]\n"}, "app/../../outside leads out of the repository"),
    ({"app__kustomization_y": "resources: [/etc]\n"}, "/etc leads out of the repository"),
    ({"app__kustomization_y": "resources: ['https://example.com/x']\n"}, "includes https://example.com/x"),
    ({"app__kustomization_y": "resources: [../app]\n"}, "app includes itself"),
    ({"app__a_y": "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("bcdefgh", "cdefghi", strict=True)
    )}, "more than 200000 values"),
    ({"app__a_y": "#" * 1_000_001}, "app/a.yaml has 1,000,001 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "told"), BROKEN, ids=[told for _, told in BROKEN])
def test_what_is_wrong_is_told_with_the_file(render, repo, files, told):
    repo.commit(app__a_y=config_map("a"))
    commit = repo.commit(**files)
    answer = render()
    assert (answer["revision"], "objects" in answer) == (commit, False)
    assert told in answer["error"]
    assert "\n" not in answer["error"]


def test_links_are_followed_inside_the_commit_only(render, repo, tmp_path):
    (tmp_path / "secret.yaml").write_text(config_map("secret"))
    repo.commit(app__a_y=config_map("a"), shared__b_y=config_map("b"))
    (repo.folder / "app" / "b.yaml").symlink_to("../shared/b.yaml")
    repo.commit()
    assert names(render()) == ["a", "b"]
    for number, target in enumerate([tmp_path / "secret.yaml", "../../secret.yaml", "c.yaml", "../../../../etc"]):
        link = repo.folder / "app" / "c.yaml"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        repo.commit()
        assert ("lead in circles" if number == 2 else "leads out of the repository") in render()["error"]


def test_a_submodule_is_not_entered(render, repo, tmp_path):
    other = Repo(tmp_path / "other")
    other.commit(a_y=config_map("other"))
    repo.commit(app__a_y=config_map("a"), app__kustomization_y="resources: [a.yaml, sub]\n")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "app/sub")
    repo.commit()
    assert "app/sub is in a submodule" in render()["error"]


def test_hooks_and_filters_do_not_run(render, repo, tmp_path):
    touch = f"#!/bin/sh\ntouch {tmp_path}/ran\n"
    repo.commit(app__a_y=config_map("a"))
    (repo.folder / ".gitattributes").write_text("*.yaml filter=f diff=f\n")
    repo.commit()
    for name in ("post-checkout", "post-commit", "reference-transaction", "fsmonitor-watchman"):
        hook = repo.folder / ".git" / "hooks" / name
        hook.write_text(touch)
        hook.chmod(0o755)
    (tmp_path / "evil").write_text(touch)
    (tmp_path / "evil").chmod(0o755)
    for name in ("filter.f.smudge", "filter.f.process", "core.fsmonitor", "core.sshCommand", "core.pager"):
        repo.git("config", name, str(tmp_path / "evil"))
    assert names(render()) == ["a"]
    assert not (tmp_path / "ran").exists()


def test_objects_of_another_repository_are_not_borrowed(render, repo, tmp_path):
    repo.commit(app__a_y=config_map("a"))
    subprocess.run(["git", "clone", "-q", "--shared", repo.folder, tmp_path / "shared"], env=ENV, check=True)
    assert "its objects are in another one" in render(repository=tmp_path / "shared")["error"]
    repo.git("worktree", "add", "-q", str(tmp_path / "tree"))
    assert "only points to another one" in render(repository=tmp_path / "tree")["error"]
    assert "is no Git repository" in render(repository=tmp_path)["error"]
    assert "no such folder" in render(repository=tmp_path / "nowhere")["error"]


def test_a_broken_repository_says_so_and_repeats_nothing_of_it(render, repo, tmp_path):
    repo.commit(app__a_y=config_map("a"))
    (tmp_path / "private").write_text("password\n")
    ref = repo.folder / ".git" / "refs" / "heads" / "other"
    ref.symlink_to(tmp_path / "private")
    told = render(revision="other")["error"]
    assert "unable to resolve 'other'" in told
    assert "password" not in told
    tree = repo.git("rev-parse", "HEAD^{tree}")
    (repo.folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    assert f"asks for object {tree}" in render()["error"]
    file = repo.folder / ".git" / "objects" / tree[:2] / tree[2:]
    file.write_bytes(os.urandom(200))
    assert "cannot be read" in render()["error"]


def test_a_commit_with_too_many_files_is_refused(render, repo, monkeypatch):
    from maas_lab.local.gitops import rendering, tree

    monkeypatch.setattr(tree, "MOST_FILES", 3)
    repo.commit(**{f"app__f{number}_y": config_map(f"f{number}") for number in range(5)})
    assert "more than 3 files" in render()["error"]
    monkeypatch.setattr(tree, "MOST_FILES", 9)
    monkeypatch.setattr(rendering, "MOST_OBJECTS", 4)
    assert "holds 5 objects" in render()["error"]
    monkeypatch.setattr(tree, "LARGEST_SUM", 100)
    assert "more than 9 files or 100 bytes" in render()["error"]
    monkeypatch.setattr(tree, "LARGEST_SUM", 1000)
    monkeypatch.setattr(tree, "DEEPEST", 3)
    repo.commit(app__1__2__3__4__a_y=config_map("deep"))
    assert "folders 3 deep" in render(path="app/1/2/3/4")["error"]


@pytest.mark.parametrize(
    ("limit", "work", "signals"),
    [("CPU_S", "while True: pass", {signal.SIGXCPU, signal.SIGKILL}), ("WALL_S", "time.sleep(60)", {signal.SIGALRM})],
)
def test_the_process_that_renders_has_no_more_than_its_time(rendering, runtime, limit, work, signals):
    code = (
        f"import time\nfrom maas_lab.local.gitops import rendering\nrendering.{limit} = 1\nrendering.confine()\n{work}"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{runtime.git}"}
    done = subprocess.run([runtime.python, "-c", code], env=env, capture_output=True, timeout=60)
    assert -done.returncode in signals, done.stderr


def test_the_process_that_renders_is_ended_when_it_takes_too_much(rendering, runtime, repo, tmp_path):
    commit = repo.commit(app__a_y=config_map("a"))
    renderer = Renderer(runtime, tmp_path / "home")
    found = renderer.render(Request(str(repo.folder), "main", "app"))
    assert (found.revision, found.type, len(found.objects), found.error) == (commit, "Directory", 1, "")
    ref = repo.folder / ".git" / "refs" / "heads" / "main"
    ref.unlink()
    ref.symlink_to("/dev/zero")
    found = renderer.render(Request(str(repo.folder), "main", "app"))
    assert f"takes more than {limits.MEMORY >> 20} MiB" in found.error or "may take" in found.error
    assert list((tmp_path / "home" / "run" / "gitops").iterdir()) == []
