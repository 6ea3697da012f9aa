"""Turn a folder of a commit into objects: `python -m maas_lab.local.gitops.rendering FOLDER`.

Reads `request.json` there and writes `answer.json`. It runs in a process of its own, under limits that the kernel
keeps, since what it reads may be anything; what it needs more of ends it.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from maas_lab import kustomization, manifests
from maas_lab.errors import LabError, ManifestError
from maas_lab.local.gitops.limits import CPU_S, LARGEST_ANSWER, MEMORY, WALL_S
from maas_lab.local.gitops.repository import Repository
from maas_lab.local.gitops.tree import DEEPEST, GitPath, Tree

MOST_OBJECTS, DEEPEST_OBJECT = 500, 64
SUFFIXES = (".yaml", ".yml", ".json")
Object = dict[str, Any]


def confine() -> None:
    """Give this process what a deployment repository needs, and no more."""
    amounts = {"AS": MEMORY, "CPU": CPU_S, "FSIZE": LARGEST_ANSWER, "CORE": 0, "NPROC": 0}
    for name, most in amounts.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (most, most))
    signal.alarm(WALL_S)


def answer(request: Object) -> Object:
    """Return what a request asks for: commit, type of the source and objects; or an error, and the commit if known."""
    told: Object = {}
    try:
        with contextlib.closing(Repository(Path(request["repository"]))) as repository:
            told["revision"] = repository.commit(request["revision"])
            folder = GitPath(Tree(repository, repository.root(told["revision"])), request["path"])
            return told | _rendered(folder, request)
    except LabError as error:
        return told | {"error": words(error)}
    except MemoryError:
        return told | {"error": f"rendering takes more than {MEMORY >> 20} MiB: is there something huge in the folder?"}
    except Exception as error:  # a repository can be broken in more ways than anybody has names for
        return told | {"error": f"the repository cannot be read ({type(error).__name__}): git fsck tells more"}


def words(error: LabError) -> str:
    """Return an error as one line."""
    told = ": ".join(part for part in (error.what, error.why) if part)
    return " ".join((f"{told} ({error.hint})" if error.hint else told).split())


def _rendered(folder: GitPath, request: Object) -> Object:
    if not folder.is_dir():
        hint = "spec.source.path is a folder, from the repository's root"
        raise ManifestError(f"{request['path']}: app path does not exist in this commit", hint=hint)
    options = json.loads(request.get("kustomize") or "{}")
    if options or any((folder / name).is_file() for name in kustomization.NAMES):
        kind, found = "Kustomize", manifests.render(folder, options=options)
    else:
        kind, found = "Directory", _directory(folder.resolve(), request)
    for one in found:
        _check(one)
    if len(found) > MOST_OBJECTS:
        raise ManifestError(f"{folder} holds {len(found)} objects", f"at most {MOST_OBJECTS} are applied", "split it")
    return {"type": kind, "objects": found}


def _check(obj: Object) -> None:
    """Refuse what no API takes, and what the controller itself reads in an object."""
    metadata, what = obj["metadata"], f"{obj['kind']} {obj['metadata']['name']}"
    namespace, marks = metadata.get("namespace"), metadata.get("annotations")
    if not isinstance(namespace, str | None):
        raise ManifestError(f"{what}: metadata.namespace is no text", hint="write it in quotes")
    if marks is not None and not (isinstance(marks, dict) and all(isinstance(one, str) for one in marks.values())):
        raise ManifestError(f"{what}: metadata.annotations are not all text", hint='write numbers in quotes: "1"')
    if _depth(obj) > DEEPEST_OBJECT:
        raise ManifestError(f"{what} is nested more than {DEEPEST_OBJECT} deep", hint="is it a manifest?")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _directory(folder: GitPath, request: Object) -> list[Object]:
    include, exclude = request.get("include", ""), request.get("exclude", "")
    found: list[Object] = []
    for file in _files(folder, deep=DEEPEST if request.get("recurse") else 0):
        name = str(file.relative_to(folder))
        if (not include or _fits(name, include)) and not _fits(name, exclude):
            found += manifests.read(file)
    return found


def _fits(name: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern, or one of several as in `{a*,b*}`."""
    several = pattern[1:-1].split(",") if pattern.startswith("{") and pattern.endswith("}") else [pattern]
    return any(fnmatch(name, one) for one in several)


def _files(folder: GitPath, deep: int) -> list[GitPath]:
    """Return the files of manifests in a folder; links to folders are not followed."""
    found = []
    for one in folder.iterdir():
        if one.is_file() and one.name.endswith(SUFFIXES):
            found.append(one)
        elif deep and one.resolve() == one and one.is_dir():
            found += _files(one, deep - 1)
    return found


def main() -> int:
    """Answer the request in the folder that the command line names."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    confine()
    (folder / "answer.json").write_bytes(written(answer(request)))
    return 0


def written(told: Object) -> bytes:
    """Return an answer as JSON; what JSON has no words for makes it an error."""
    try:
        return json.dumps(told, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        why = f"the objects hold a number or letter that JSON has not: {error}"
        return json.dumps({"revision": told.get("revision", ""), "error": why}).encode()


if __name__ == "__main__":
    sys.exit(main())
