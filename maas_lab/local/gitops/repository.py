"""Open a Git repository of this machine and find commits in it. Only refs and objects are read, no configuration."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob, Commit, ShaFile, Tag
from dulwich.objects import Tree as Folder
from dulwich.refs import DiskRefsContainer

from maas_lab.errors import ManifestError
from maas_lab.local.gitops import versions

NAME = re.compile(r"(?!.*(\.\.|//|@\{|\.lock(/|$)))[A-Za-z0-9_][\w./+@=-]*")
FULL, SHORT = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{7,40}")
MOST_TAGS = 5  # of tags


class Repository:
    """A repository, bare or with a working tree; what is not committed in it does not count.

    Raises:
        ManifestError: there is none, or it borrows its objects elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        git = folder / ".git" if (folder / ".git").exists() else folder
        if git.is_file() or git.is_symlink():
            raise self._wrong("is not a whole Git repository", "its `.git` only points to another one")
        objects = git / "objects"
        if not objects.is_dir() or not (git / "HEAD").is_file():
            raise self._wrong("is no Git repository", "it holds no `.git`" if folder.is_dir() else "no such folder")
        if objects.is_symlink() or (objects / "info" / "alternates").exists():
            raise self._wrong("is not a whole Git repository", "its objects are in another one")
        self._store = DiskObjectStore(str(objects))
        self._refs = DiskRefsContainer(str(git))

    def close(self) -> None:
        """Close its files."""
        self._store.close()

    def _wrong(self, what: str, why: str) -> ManifestError:
        return ManifestError(f"{self._folder} {what}", why, f"git clone --no-local {self._folder} FOLDER makes one")

    def commit(self, revision: str) -> str:
        """Return the commit that a branch, a tag, `HEAD` or the beginning of a commit's name stands for.

        A range of versions stands for the tag with the highest version that fits, as for Argo CD.

        Raises:
            ManifestError: there is no such revision.
        """
        if versions.is_range(revision):
            revision = self._tag(revision)
        if not NAME.fullmatch(revision):
            raise ManifestError(f"{revision!r} is no revision", hint="name a branch, a tag or a commit")
        sha = self._named(revision) or self._abbreviated(revision)
        for _ in range(MOST_TAGS):
            found = self._object(sha, revision)
            if isinstance(found, Commit):
                return sha.decode()
            if not isinstance(found, Tag):
                break
            sha = found.object[1]
        raise ManifestError(f"`{revision}` is no commit", hint="name a branch, a tag or a commit")

    def _tag(self, wanted: str) -> str:
        """Return the tag that a range of versions means; the range itself where none fits, which may be a name."""
        begin = b"refs/tags/"
        tags = [
            name.removeprefix(begin).decode(errors="replace") for name in self._refs.allkeys() if name[:10] == begin
        ]
        if found := versions.newest(wanted, tags):
            return f"refs/tags/{found}"
        if NAME.fullmatch(wanted):
            return wanted
        why = f"no tag in {self._folder} has a version in this range"
        raise ManifestError(f"unable to resolve '{wanted}' to a commit SHA", why, "git tag -a 1.0.0, and push it there")

    def root(self, commit: str) -> bytes:
        """Return the outermost folder of a commit."""
        return self._object(commit.encode(), commit).tree

    def files(self, sha: bytes) -> list[tuple[str, int, bytes]]:
        """Return name, mode and object of all that is in a folder."""
        found = self._object(sha, "a folder")
        if not isinstance(found, Folder):
            raise ManifestError(f"object {sha.decode()} is no folder", hint="git fsck tells what is broken")
        return [(one.path.decode(errors="replace"), one.mode, one.sha) for one in found.iteritems()]

    def content(self, sha: bytes) -> bytes:
        """Return the content of a file."""
        found = self._object(sha, "a file")
        if not isinstance(found, Blob):
            raise ManifestError(f"object {sha.decode()} is no file", hint="git fsck tells what is broken")
        return found.data

    def _named(self, revision: str) -> bytes | None:
        if FULL.fullmatch(revision):
            return revision.encode()
        names = [revision] if revision == "HEAD" or revision.startswith("refs/") else []
        for name in names or [f"refs/heads/{revision}", f"refs/tags/{revision}"]:
            # What stands in a ref's file is not repeated: it may be a link to something private.
            with contextlib.suppress(KeyError, ValueError):
                sha = self._refs[name.encode()]
                if FULL.fullmatch(sha.decode("ascii", errors="replace")):
                    return sha
        return None

    def _abbreviated(self, revision: str) -> bytes:
        found = []
        if SHORT.fullmatch(revision):
            found = sorted(self._store.iter_prefix(revision.encode()))
        if len(found) != 1:
            why = f"{len(found)} objects begin so" if found else f"{self._folder} has no such branch, tag or commit"
            raise ManifestError(
                f"unable to resolve '{revision}' to a commit SHA", why, "git push it there, or name another"
            )
        return found[0]

    def _object(self, sha: bytes, what: str) -> ShaFile:
        try:
            return self._store[sha]
        except KeyError as error:
            why = f"{what} asks for object {sha.decode(errors='replace')}"
            raise ManifestError(f"{self._folder} is not complete", why, "git fsck tells more") from error
