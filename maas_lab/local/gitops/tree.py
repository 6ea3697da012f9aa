"""Walk through the files of a commit as through folders, out of Git's own objects: nothing is checked out.

Links are followed inside the commit and never out of it, submodules are not entered, and what is read is counted.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Protocol

from maas_lab.errors import ManifestError

MOST_FILES, MOST_FOLDERS, MOST_ENTRIES = 2000, 2000, 20_000
LARGEST_FILE, LARGEST_SUM = 1_000_000, 16_000_000  # bytes
DEEPEST = 32  # folders
MOST_LINKS = 20  # on the way to one file
SUBMODULE = 0o160000
FOLDER = 0o040000


class Objects(Protocol):
    """Gives the content of Git's objects."""

    def files(self, sha: bytes) -> list[tuple[str, int, bytes]]:
        """Return name, mode and object of all that is in a folder."""

    def content(self, sha: bytes) -> bytes:
        """Return the content of a file."""


class Tree:
    """The files of one commit, and how much of them was read."""

    def __init__(self, objects: Objects, root: bytes) -> None:
        self._objects, self._root = objects, root
        self._folders: dict[bytes, dict[str, tuple[int, bytes]]] = {}
        self._files: dict[bytes, bytes] = {}
        self._entries = self._bytes = 0

    def entries(self, sha: bytes) -> dict[str, tuple[int, bytes]]:
        """Return mode and object of what is in a folder, by name.

        Raises:
            ManifestError: more was read by now than a deployment repository may have.
        """
        if sha not in self._folders:
            found = self._objects.files(sha)
            self._entries += len(found)
            if len(self._folders) >= MOST_FOLDERS or self._entries > MOST_ENTRIES:
                raise _too_much(f"more than {MOST_FOLDERS} folders or {MOST_ENTRIES} names")
            self._folders[sha] = {name: (mode, one) for name, mode, one in found}
        return self._folders[sha]

    def content(self, sha: bytes, path: str) -> bytes:
        """Return a file's content.

        Raises:
            ManifestError: it is too large, or all that was read is.
        """
        if sha not in self._files:
            found = self._objects.content(sha)
            self._bytes += len(found)
            if len(found) > LARGEST_FILE:
                what = f"{path} has {len(found):,} bytes"
                raise ManifestError(
                    what, f"a manifest has at most {LARGEST_FILE:,}", "keep large files out of its folder"
                )
            if len(self._files) >= MOST_FILES or self._bytes > LARGEST_SUM:
                raise _too_much(f"more than {MOST_FILES} files or {LARGEST_SUM:,} bytes")
            self._files[sha] = found
        return self._files[sha]

    def find(self, path: PurePosixPath) -> tuple[PurePosixPath, int, bytes]:
        """Follow a path: return where it really is, its mode (0 where there is nothing) and its object.

        Raises:
            ManifestError: it leads out of the repository, into a submodule, in circles, or too deep.
        """
        names: list[str] = []
        folders = [self._root]
        waiting, links = list(reversed(path.parts)), 0
        while waiting:
            name = waiting.pop()
            if name == "/" or (name == ".." and not names) or len(names) > DEEPEST:
                raise _outside(path) if len(names) <= DEEPEST else _too_much(f"folders {DEEPEST} deep")
            if name == "..":
                names.pop()
                folders.pop()
                continue
            mode, sha = self.entries(folders[-1]).get(name, (0, b""))
            if mode == SUBMODULE:
                why = "what is in it belongs to another repository"
                raise ManifestError(f"{path} is in a submodule", why, "copy the files into this repository")
            if stat.S_ISLNK(mode):
                links += 1
                if links > MOST_LINKS:
                    raise ManifestError(f"{path}: links lead in circles", hint="replace the link by the file")
                waiting += reversed(PurePosixPath(self.content(sha, str(path)).decode(errors="replace")).parts)
                continue
            names.append(name)
            if mode != FOLDER:
                return PurePosixPath(*names, *reversed(waiting)), 0 if waiting else mode, sha
            folders.append(sha)
        return PurePosixPath(*names), FOLDER, folders[-1]


class GitPath:
    """A path in a commit, with as much of `pathlib.Path` as rendering needs; it reads as it is in the repository."""

    def __init__(self, tree: Tree, path: PurePosixPath | str = "") -> None:
        self._tree, self._path = tree, PurePosixPath(path)

    def __truediv__(self, name: str) -> GitPath:
        return GitPath(self._tree, self._path / name)

    def __str__(self) -> str:
        return str(self._path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GitPath) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.name

    @property
    def parents(self) -> list[GitPath]:
        """The folders that it is in, innermost first."""
        return [GitPath(self._tree, one) for one in self._path.parents]

    def relative_to(self, folder: GitPath) -> PurePosixPath:
        """Return the path from a folder that it is in."""
        return self._path.relative_to(folder._path)

    def is_relative_to(self, folder: GitPath) -> bool:
        """Tell whether it is in a folder, by its name."""
        return self._path.is_relative_to(folder._path)

    def resolve(self) -> GitPath:
        """Return the path without links and steps upwards."""
        return GitPath(self._tree, self._tree.find(self._path)[0])

    def exists(self) -> bool:
        """Tell whether there is anything."""
        return self._tree.find(self._path)[1] != 0

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        return self._tree.find(self._path)[1] == FOLDER

    def is_file(self) -> bool:
        """Tell whether it is a file."""
        return stat.S_ISREG(self._tree.find(self._path)[1])

    def iterdir(self) -> Iterator[GitPath]:
        """Yield what is in the folder, in the order of names."""
        for name in sorted(self._tree.entries(self._tree.find(self._path)[2])):
            yield self / name

    def read_bytes(self) -> bytes:
        """Return the file's content.

        Raises:
            FileNotFoundError: there is no such file.
        """
        _, mode, sha = self._tree.find(self._path)
        if not stat.S_ISREG(mode):
            raise FileNotFoundError(2, "no such file in this commit", str(self))
        return self._tree.content(sha, str(self))


def _outside(path: PurePosixPath) -> ManifestError:
    return ManifestError(f"{path} leads out of the repository", "only what is committed can be deployed", "copy it in")


def _too_much(what: str) -> ManifestError:
    why = f"it has {what}"
    return ManifestError("the folder to deploy is too large", why, "keep manifests in a repository of their own")
