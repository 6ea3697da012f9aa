"""Keep a deployment repository with git: a bare one that the cluster follows, or a fork, and the learner's clone."""

from __future__ import annotations

import shutil
from pathlib import Path

from maas_lab import shell
from maas_lab.errors import UsageError

BRANCH = "main"
AUTHOR = {"user.name": "Learner", "user.email": "learner@maas-lab.invalid"}
# Whatever the user has configured: no hook runs, no key is asked for.
QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false")


class Repository:
    """A clone that pushes to a bare repository beside it, or to one elsewhere.

    Args:
        folder: the clone; the bare one beside it has `.git` at the end of its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.server = folder, folder.with_name(f"{folder.name}.git")

    @property
    def exists(self) -> bool:
        """Whether the clone is there, and what it was cloned from, if that is beside it."""
        is_there = (self.folder / ".git").is_dir()
        return is_there and ((self.server / "HEAD").is_file() or self.address != str(self.server))

    @property
    def address(self) -> str:
        """What was cloned."""
        return self.git("remote", "get-url", "origin")

    @property
    def branch(self) -> str:
        """The branch that is checked out."""
        return self.git("branch", "--show-current")

    @property
    def pushed(self) -> str:
        """The last commit of the branch that was pushed."""
        return self.revision(f"origin/{self.branch}")

    def create(self, content: Path, name: str) -> None:
        """Make both, with a folder's content as the first commit; what is there stays as it is.

        Args:
            content: a folder.
            name: under which the content is in the repository.

        Raises:
            EnvironmentFault: git is not installed.
            UsageError: something else is in the way.
        """
        if self.exists:
            return
        for one in (self.folder, self.server):
            if one.exists():
                raise UsageError(
                    f"{one} is in the way", "it is not the lab's deployment repository", f"mv {one} {one}.old"
                )
        _git("init", "-q", "--bare", "-b", BRANCH, str(self.server))
        _git("init", "-q", "-b", BRANCH, str(self.folder))
        self.git("remote", "add", "origin", str(self.server))
        self._sign()
        shutil.copytree(content, self.folder / name)
        self.commit("The platform as the lab ships it")

    def clone(self, address: str, branch: str = "") -> None:
        """Clone a repository.

        Args:
            address: of the repository.
            branch: begun anew where its own main branch stands, and pushed over what has this name; empty keeps to
                the main branch.

        Raises:
            EnvironmentFault: git is not installed.
            UsageError: git refuses.
        """
        _git(*QUIET, "clone", "-q", "--no-recurse-submodules", "--", address, str(self.folder))
        self._sign()
        if branch:
            self.git("switch", "-q", "--no-track", "-C", branch, "origin/HEAD")
            self.git("push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")

    def _sign(self) -> None:
        """Give commits an author, where the user has told git none."""
        for key, value in AUTHOR.items():
            if not self._configured(key):
                self.git("config", key, value)

    def git(self, *arguments: str) -> str:
        """Run git in the clone and return what it prints.

        Raises:
            UsageError: git refuses; why is what it says.
        """
        return _git("-C", str(self.folder), *QUIET, *arguments)

    def commit(self, message: str) -> str:
        """Commit everything that has changed, push it, and return the commit.

        Raises:
            UsageError: nothing has changed, or git refuses.
        """
        self.git("add", "--all")
        if not self.git("status", "--porcelain"):
            raise UsageError(
                "nothing has changed since the last commit", hint=f"edit a file in {self.folder}, and save it"
            )
        self.git("commit", "-q", "-m", message)
        return self.push()

    def push(self) -> str:
        """Push the branch, and return its last commit."""
        self.git("push", "-q", "origin", f"HEAD:refs/heads/{self.branch}")
        return self.revision()

    def revert(self, revision: str = "HEAD") -> str:
        """Take a commit back by another one, push that, and return it."""
        self.git("revert", "--no-edit", revision)
        return self.push()

    def tag(self, name: str, revision: str = "HEAD") -> str:
        """Set a tag to a commit, also if it was set to another one, push it, and return the commit."""
        self.git("tag", "--force", name, revision)
        self.git("push", "-q", "--force", "origin", f"refs/tags/{name}")
        return self.revision(f"{name}^{{commit}}")

    def revision(self, name: str = "HEAD") -> str:
        """Return the commit that a name stands for."""
        return self.git("rev-parse", "--verify", "--end-of-options", name)

    def subject(self, revision: str) -> str:
        """Return the first line of a commit's message; empty when the commit is not here."""
        done = shell.run(["git", "-C", str(self.folder), "log", "-1", "--format=%s", "--end-of-options", revision])
        return done.stdout.strip() if done.code == 0 else ""

    def holds(self, older: str, newer: str) -> bool:
        """Tell whether a commit is in the history of another."""
        known = ["git", "-C", str(self.folder), "merge-base", "--is-ancestor", older, newer]
        return shell.run(known).code == 0

    def remove(self) -> None:
        """Delete both."""
        for one in (self.folder, self.server):
            shutil.rmtree(one, ignore_errors=True)

    def _configured(self, key: str) -> bool:
        return shell.run(["git", "-C", str(self.folder), "config", key]).code == 0


def _git(*arguments: str) -> str:
    done = shell.run(["git", *arguments])
    if done.code:
        told = done.stderr.strip() or done.stdout.strip()
        what = f"git {next((one for one in arguments if not one.startswith(('-', '/')) and '=' not in one), '')} failed"
        raise UsageError(what, told, "run it in a terminal to see more")
    return done.stdout.strip()
