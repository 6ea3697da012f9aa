"""Know what a revision of a repository holds: asked once, and again when its refs have moved."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from maas_lab.local.gitops import versions
from maas_lab.local.gitops.spec import Request
from maas_lab.local.kube.store import Object

REMEMBERED = 64
Signature = tuple[object, ...]
ALWAYS: Signature = ("a commit never changes",)


@dataclass(frozen=True)
class Answer:
    """What a folder of a revision holds.

    Attributes:
        revision: the commit; empty when it was not found.
        type: `Kustomize` or `Directory`.
        objects: what is to be applied.
        error: why there are none.
    """

    revision: str = ""
    type: str = ""
    objects: tuple[Object, ...] = field(default=(), compare=False, repr=False)
    error: str = ""

    @classmethod
    def of(cls, told: Object) -> Answer:
        """Return the answer that the program has written."""
        objects = tuple(told.get("objects", ()))
        return cls(told.get("revision", ""), told.get("type", ""), objects, told.get("error", ""))


class Sources:
    """Answers requests from memory, or begins to find the answer.

    Args:
        render: finds an answer; may take seconds.
        start: calls a function elsewhere, such as in a thread.
        changed: told when an answer has come; called from there.
    """

    def __init__(
        self,
        render: Callable[[Request], Answer],
        start: Callable[[Callable[[], None]], None],
        changed: Callable[[Request], None],
    ) -> None:
        self._render, self._start, self._changed = render, start, changed
        self._turn = threading.RLock()  # answers come from other threads
        self._known: OrderedDict[Request, tuple[Signature, Answer]] = OrderedDict()
        self._asked: set[Request] = set()

    def ask(self, request: Request) -> Answer | None:
        """Return what is known and still true, or None and find out."""
        now = signature(request)
        if (known := self._current(request, now)) is not None:
            return known
        with self._turn:
            is_new = request not in self._asked
            self._asked.add(request)
        if is_new:
            self._start(lambda: self._find(request, now))
        return self._current(request, now)  # found at once, if it was not looked for elsewhere

    def _current(self, request: Request, now: Signature) -> Answer | None:
        with self._turn:
            told, answer = self._known.get(request, (None, None))
            if told not in (now, ALWAYS):
                return None
            self._known.move_to_end(request)
            return answer

    def forget(self, request: Request) -> None:
        """Find out anew when asked next."""
        with self._turn:
            self._known.pop(request, None)

    def _find(self, request: Request, now: Signature) -> None:
        try:
            answer = self._render(request)
        except Exception as error:
            answer = Answer(error=f"rendering failed: {type(error).__name__}: {error}")
        with self._turn:
            self._known[request] = (now, answer)
            if answer.revision and not answer.error:
                self._known[request._replace(revision=answer.revision)] = (ALWAYS, answer)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            self._asked.discard(request)
        self._changed(request)


def signature(request: Request) -> Signature:
    """Return what changes whenever the revision may stand for another commit: where and when its refs were written."""
    folder = Path(request.repository)
    git = folder / ".git" if (folder / ".git").is_dir() else folder
    names = ["packed-refs", "objects/pack", "reftable/tables.list"]
    if ".." not in request.revision and "\0" not in request.revision:
        names += [f"refs/heads/{request.revision}", f"refs/tags/{request.revision}"]
    if versions.is_range(request.revision):
        names.append("refs/tags")  # its time changes with any tag in it
    if request.revision == "HEAD":
        names += ["HEAD", _branch(git)]
    return tuple(_written(git / name) for name in names)


def _branch(git: Path) -> str:
    """Return the ref that is checked out."""
    try:
        with (git / "HEAD").open("rb") as file:
            name = file.read(300).decode(errors="replace").removeprefix("ref: ").strip()
    except OSError:
        return "HEAD"
    return name if name.startswith("refs/") and ".." not in name and "\0" not in name else "HEAD"


def _written(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
