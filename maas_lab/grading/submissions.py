"""Find what was handed in: one folder for each learner, whose names and files nobody may trust."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maas_lab.errors import UsageError
from maas_lab.grading.submitted import LARGEST
from maas_lab.grading.workbook import Lesson

LONGEST = 100  # characters of a folder's name
RESERVED = {"index.html", "results.csv", "results.json", "junit.xml"}  # the report's files lie beside the folders


@dataclass(frozen=True)
class Submission:
    """What one learner handed in.

    Attributes:
        learner: the name of their folder, as it can be shown.
        folder: where it is.
        files: the notebooks to grade, by lesson.
        refused: notebooks that are not even read, and why, by lesson.
        problem: why nothing of it is graded; empty where something is.
        digest: of all that counts.
    """

    learner: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    digest: str = ""


def find(folder: Path, lessons: Sequence[Lesson], only: Sequence[str] = ()) -> list[Submission]:
    """Return what was handed in, in the order of the learners' names; hidden folders and loose files are not.

    Args:
        folder: one folder for each learner.
        lessons: those whose notebooks are looked for, by name.
        only: the learners that are meant; all when empty.

    Raises:
        UsageError: there is no such folder, nothing was handed in, or no learner has such a name.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda one: one.name)
    except OSError as error:
        hint = "give a folder that holds one folder for each learner"
        raise UsageError(f"there are no submissions in {folder}", error.strerror or "", hint) from error
    found = [
        _submission(Path(one.path), lessons)
        for one in entries
        if not one.name.startswith(".") and (one.is_symlink() or one.is_dir(follow_symlinks=False))
    ]
    if not found:
        hint = "each learner's notebooks belong into a folder of their own, e.g. submissions/alice/03_consumer.ipynb"
        raise UsageError(f"there are no submissions in {folder}", "it holds no folders", hint)
    names = {one.learner for one in found}
    if strange := [name for name in only if name not in names]:
        known = ", ".join(sorted(names)[:10])
        raise UsageError(f"there is no submission of `{strange[0]}`", hint=f"the folders are: {known}")
    return [one for one in found if not only or one.learner in only]


def _submission(folder: Path, lessons: Sequence[Lesson]) -> Submission:
    if problem := _problem(folder):
        return Submission(ascii(folder.name)[1:-1][:LONGEST], folder, problem=problem)
    told, files, refused = hashlib.sha256(), {}, {}
    for lesson in lessons:
        path = folder / f"{lesson.name}.ipynb"
        try:
            content = _content(path)
        except FileNotFoundError:
            continue
        except ValueError as error:
            refused[lesson.name] = str(error)
            told.update(f"{lesson.name} {error} ".encode())
        else:
            files[lesson.name] = path
            told.update(f"{lesson.name} {hashlib.sha256(content).hexdigest()} ".encode())
    problem = "" if files or refused else "the folder holds no notebook of this course, by its name"
    return Submission(folder.name, folder, files, refused, problem, told.hexdigest())


def _problem(folder: Path) -> str:
    """Return why a folder is not looked into; empty when it is."""
    if folder.is_symlink():
        return "it is a link, and links are not followed"
    if folder.name in RESERVED or len(folder.name) > LONGEST or not folder.name.isprintable():
        return "the folder's name cannot be used"
    return ""


def _content(path: Path) -> bytes:
    """Return what is in a notebook.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not an ordinary file, or too large.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ValueError("it is not an ordinary file")
            if about.st_size > LARGEST:
                raise ValueError(f"the file is larger than {LARGEST // 1_000_000} MB")
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError:
        raise ValueError("it is a link, or cannot be read; links are not followed") from None
