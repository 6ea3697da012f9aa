"""Grading without a room: what is handed in, checks that are put back, verdicts, reports."""

import ast
import itertools
import json
import os
from dataclasses import replace
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import v3

import maas_lab
from maas_lab.errors import UsageError
from maas_lab.grading import keeping, pool, report, submissions, submitted, surroundings, verdicts, workbook
from maas_lab.grading.execution import Outcome
from maas_lab.grading.namespaces import SYSTEM, places
from maas_lab.grading.verdicts import GRADED, MISSING, NOT_REACHED, REFUSED, Graded
from tests.cohort import LESSONS, lesson, workbook_in, write

FIRST = LESSONS[0]


@pytest.fixture
def lessons(tmp_path):
    return workbook.load(workbook_in(tmp_path / "workbook"))


def cells(notebook):
    return [cell.source for cell in notebook.cells]


def test_the_course_has_a_check_for_each_of_its_exercises():
    from maas_lab import record
    from maas_lab.grading.worker import NOTEBOOKS

    course = workbook.load(NOTEBOOKS)
    assert [one for each in course for one in each.exercises] == list(record.exercises())
    assert all(one.needs_lab for one in course)


def test_a_folder_without_lessons_is_no_workbook(tmp_path):
    with pytest.raises(UsageError, match="there are no lessons"):
        workbook.load(tmp_path)


@pytest.fixture
def package(tmp_path):
    """A package, and manifests beside it."""
    names = ("maas_lab/checks/start.py", "maas_lab/local/locks/python.txt", "maas_lab/grading/report.py", "README.md")
    for name in (*names, "maas_lab/cli.py", "manifests/README.md", "manifests/models/base/model.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    return tmp_path / "maas_lab"


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("maas_lab/checks/start.py", True),
        ("maas_lab/local/locks/python.txt", True),
        ("manifests/models/base/model.yaml", True),
        ("maas_lab/checks/new.py", True),
        ("README.md", False),
        ("manifests/README.md", False),
        ("maas_lab/cli.py", False),
        ("maas_lab/grading/report.py", False),
        ("maas_lab/checks/__pycache__/start.pyc", False),
        ("maas_lab/.editor/start.py", False),
    ],
)
def test_what_can_change_a_verdict_makes_another_workbook_and_nothing_else_does(lessons, package, changed, counts):
    before = workbook.version(lessons, package)
    (package.parent / changed).parent.mkdir(exist_ok=True)
    (package.parent / changed).write_text("after")
    assert (workbook.version(lessons, package) != before) is counts


def imported(path):
    """What a module imports of the package, at its beginning or later, with the packages around it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [f"{node.module}.{each.name}" for each in node.names] if names else []
        names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            yield from itertools.accumulate(name.split("."), "{}.{}".format)


def test_no_lesson_lab_or_check_imports_what_does_not_count():
    package = surroundings.PACKAGE
    files = {".".join(one.relative_to(package.parent).with_suffix("").parts): one for one in package.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    left = [*maas_lab._HOME.values(), "maas_lab", "maas_lab.grading.worker", "maas_lab.grading.room"]
    left += [name for name in files if name.startswith("maas_lab.local")]
    seen = set()
    while left:
        if (name := left.pop()) in files and name not in seen:
            seen.add(name)
            left += imported(files[name])
    assert {"maas_lab.checks.start", "maas_lab.local.daemon", "maas_lab.journal"} <= seen
    assert [name for name in sorted(workbook.BESIDE) if not (package.parent / name).exists()] == []
    counting = set(workbook.deciding(package))
    assert [name for name in sorted(seen) if files[name] not in counting] == []


# -- checks are put back --


def restored(handed_in, lessons):
    return submitted.restored(handed_in, lessons[0])


def test_a_notebook_as_it_should_be_stays_as_it_is(lessons):
    handed_in = lesson(FIRST, "answer = 42")
    notebook, notes = restored(handed_in, lessons)
    assert (cells(notebook), notes) == (cells(handed_in), {})


def test_a_changed_check_is_replaced(lessons):
    handed_in = lesson(FIRST)
    handed_in.cells[3].source = "print('Exercise 90.1 is right')"
    notebook, notes = restored(handed_in, lessons)
    assert cells(notebook) == cells(lessons[0].notebook)
    assert notes == {"90.1": "its check was changed; the workbook's own was run"}


def test_a_check_made_into_prose_is_code_again(lessons):
    handed_in = lesson(FIRST)
    handed_in.cells[3] = nbformat.v4.new_markdown_cell(handed_in.cells[3].source, id=handed_in.cells[3].id)
    notebook, notes = restored(handed_in, lessons)
    assert notebook.cells[3].cell_type == "code"
    assert set(notes) == {"90.1"}


def test_a_deleted_check_comes_back_below_its_exercise(lessons):
    handed_in = lesson(FIRST, "answer = 42")
    del handed_in.cells[3]
    notebook, notes = restored(handed_in, lessons)
    assert cells(notebook) == cells(lesson(FIRST, "answer = 42"))
    assert notes == {"90.1": "its check was missing; the workbook's own was run"}


def test_of_an_empty_notebook_all_checks_are_run(lessons):
    handed_in = lesson(FIRST)
    handed_in.cells = []
    notebook, notes = restored(handed_in, lessons)
    assert [cell.id for cell in notebook.cells] == [check.cell.id for check in lessons[0].checks]
    assert set(notes) == {"90.1", "90.2"}


def test_checks_are_known_by_their_text_where_a_file_has_no_ids(lessons):
    handed_in = lesson(FIRST, "answer = 42")
    for number, cell in enumerate(handed_in.cells):
        cell.id = f"other-{number}"
    notebook, notes = restored(handed_in, lessons)
    assert (cells(notebook), notes) == (cells(handed_in), {})


def test_tags_and_outputs_of_learners_do_not_count(lessons):
    handed_in = lesson(FIRST)
    for cell in handed_in.cells:
        cell.metadata["tags"] = ["skip-execution", "raises-exception"]
    handed_in.cells[3].outputs = [nbformat.v4.new_output("stream", text="Exercise 90.1 is right")]
    notebook, _ = restored(handed_in, lessons)
    assert [(cell.metadata, cell.get("outputs", [])) for cell in notebook.cells] == [({}, [])] * 7
    nbformat.validate(notebook)


def test_copies_of_cells_keep_ids_unique(lessons):
    handed_in = lesson(FIRST)
    handed_in.cells += handed_in.cells
    notebook, _ = restored(handed_in, lessons)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells) == 14


# -- what cannot be read --


def refused(tmp_path, text):
    path = tmp_path / "90_first.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(submitted.Refused) as told:
        submitted.read(path)
    return str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("%PDF-1.7", "it holds no JSON"),
        ("[" * 100_000, "it holds no JSON"),
        ("[]", "it names no format"),
        ('{"nbformat": "4"}', "it names no format"),
        ('{"nbformat": 5, "nbformat_minor": 0, "cells": [], "metadata": {}}', "has format 5"),
        ('{"nbformat": 4, "nbformat_minor": 5, "cells": 1, "metadata": {}}', "not what the format allows"),
        ('{"nbformat": 4, "nbformat_minor": 5, "cells": [{"cell_type": []}], "metadata": {}}', "not what the format"),
        ('{"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": []}', "not what the format allows"),
        (
            '{"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {"kernelspec": {"name": "ir", '
            '"display_name": "R", "language": "R"}}}',
            "another kernel: R",
        ),
        (
            '{"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {"language_info": {"name": "julia"}}}',
            "julia",
        ),
    ],
)
def test_what_is_no_notebook_of_this_course_is_refused_in_plain_words(tmp_path, text, told):
    assert told in refused(tmp_path, text)


@pytest.mark.parametrize("place", [{"cells": []}, {"worksheets": [{"cells": []}]}])
def test_a_file_of_too_many_cells_is_refused_before_it_takes_an_hour(tmp_path, place):
    cells = [{}] * (submitted.MOST_CELLS + 1)
    (place if "cells" in place else place["worksheets"][0])["cells"] = cells
    told = {"nbformat": 4 if "cells" in place else 3, "nbformat_minor": 0, "metadata": {}, **place}
    assert refused(tmp_path, json.dumps(told)) == "the notebook has more than 2,000 cells"


def test_an_old_notebook_is_read(tmp_path, lessons):
    old = v3.new_notebook(worksheets=[v3.new_worksheet(cells=[v3.new_code_cell(input="answer = 42")])])
    path = tmp_path / "90_first.ipynb"
    path.write_text(json.dumps(old), encoding="utf-8")
    notebook, notes = submitted.restored(submitted.read(path), lessons[0])
    assert "answer = 42" in cells(notebook)
    assert set(notes) == {"90.1", "90.2"}


# -- folders --


def test_links_and_odd_folders_are_named_and_not_followed(tmp_path, lessons):
    folder = tmp_path / "submissions"
    write(folder / "alice", {FIRST: lesson(FIRST)})
    write(tmp_path / "secret", {FIRST: lesson(FIRST)})
    (folder / "mallory").symlink_to(tmp_path / "secret")
    write(folder / "index.html", {})
    write(folder / "two\nlines", {FIRST: lesson(FIRST)})
    write(folder / "empty", {})
    write(folder / ".git", {})
    (folder / "notes.txt").write_text("")
    found = {one.learner: one.problem for one in submissions.find(folder, lessons)}
    assert found == {
        "alice": "",
        "empty": "the folder holds no notebook of this course, by its name",
        "index.html": "the folder's name cannot be used",
        "mallory": "it is a link, and links are not followed",
        r"two\nlines": "the folder's name cannot be used",
    }


def test_names_that_look_alike_are_two_learners(tmp_path):
    folder = tmp_path / "submissions"
    for name in ("two\nlines", r"two\nlines"):
        write(folder / name, {"other": "{}"})
    graded = pool.grade(folder, pool.Plan(tmp_path / "out", lessons=workbook_in(tmp_path / "workbook")))
    assert [(one.learner, one.ended) for one in graded] == [
        (r"two\nlines", "the folder's name cannot be used"),
        (r"two\nlines", "the folder holds no notebook of this course, by its name"),
    ]


def test_files_that_are_none_are_refused_without_being_read(tmp_path, lessons):
    folder = write(tmp_path / "submissions" / "mallory", {})
    (folder / f"{LESSONS[0]}.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(folder / f"{LESSONS[1]}.ipynb")
    (one,) = submissions.find(folder.parent, lessons)
    assert (one.files, list(one.refused)) == ({}, list(LESSONS))
    (folder / f"{LESSONS[0]}.ipynb").unlink()
    with (folder / f"{LESSONS[0]}.ipynb").open("wb") as file:
        file.truncate(submitted.LARGEST + 1)  # a hole: it takes no room
    (one,) = submissions.find(folder.parent, lessons)
    assert one.refused[LESSONS[0]] == "the file is larger than 20 MB"


def test_what_is_handed_in_is_told_apart_by_its_content(tmp_path, lessons):
    folder = write(tmp_path / "submissions" / "alice", {FIRST: lesson(FIRST)})
    (before,) = submissions.find(folder.parent, lessons)
    assert submissions.find(folder.parent, lessons) == [before]
    (folder / f"{FIRST}.ipynb").write_text("{}")
    assert submissions.find(folder.parent, lessons)[0].digest != before.digest


def test_wrong_folders_and_names_are_told(tmp_path, lessons):
    with pytest.raises(UsageError, match="there are no submissions"):
        submissions.find(tmp_path / "nothing", lessons)
    (tmp_path / "flat").mkdir()
    with pytest.raises(UsageError) as told:
        submissions.find(tmp_path / "flat", lessons)
    assert "it holds no folders" in told.value.why
    write(tmp_path / "submissions" / "alice", {FIRST: lesson(FIRST)})
    with pytest.raises(UsageError, match="no submission of `bob`"):
        submissions.find(tmp_path / "submissions", lessons, ["bob"])


# -- verdicts --


def judged(lessons, **errors):
    order = [cell.id for cell in lessons[0].notebook.cells]
    outcomes = {
        name: Outcome(*errors.get(f"c{name[-2:]}", ())) for name in order if name[-2:] in ("02", "03", "05", "06")
    }
    return verdicts.judge(lessons[0], order, outcomes, {"90.2": "a note"})


def test_an_exercise_is_passed_when_its_check_ran_well(lessons):
    first, second = judged(lessons)
    assert (first.passed, second.passed, second.note) == (True, True, "a note")


def test_the_cause_is_what_the_check_said_with_its_hint(lessons):
    said = "NotQuite: Exercise 90.1: it is 3.7 of 12\n  why: so\n  try: look again"
    first, second = judged(lessons, c02=("TypeError", "TypeError: a blank"), c03=("NotQuite", said))
    assert (first.cause, first.hint) == ("NotQuite: Exercise 90.1: it is … of …", "look again")
    assert second.passed


def test_without_a_hint_the_cause_is_the_first_error_of_the_exercise(lessons):
    errors = {"c05": ("InvalidKey", "InvalidKey: no"), "c06": ("NameError", "NameError: name 'answer'")}
    first, second = judged(lessons, **errors)
    assert first.passed
    assert second.cause == "InvalidKey: no"


def test_keys_are_not_in_causes(lessons):
    first, _ = judged(lessons, c03=("ValueError", "ValueError: sk-abcdefgh1234 is odd"))
    assert first.cause == "ValueError: … is odd"


def graded_by(lessons, **changes):
    told = [
        verdicts.LessonResult(FIRST, GRADED, "", 30.0, judged(lessons, **changes)),
        verdicts.unmarked(lessons[1], MISSING, MISSING),
    ]
    return Graded("alice", "key", "", tuple(told))


def test_a_result_is_read_as_it_was_written(lessons):
    graded = graded_by(lessons)
    assert verdicts.read(graded.text(), Graded("alice", "key"), lessons) == graded


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "{",
        "[1]",
        '{"lessons": 7}',
        '{"lessons": [{"lesson": "90_first"}]}',
        '{"lessons": [{"lesson": ["90_first"]}]}',
        "[" * 50_000,
        '{"lessons": [{"lesson": "90_first", "verdicts": [], "state": "", "cause": "", "seconds": 1'
        + "0" * 400
        + "}]}",
    ],
)
def test_a_result_that_a_notebook_wrote_does_no_harm(lessons, forged):
    read = verdicts.read(forged, Graded("mallory", "key", "its time was up"), lessons)
    assert (read.learner, read.passed, read.ended) == ("mallory", 0, "its time was up")
    assert {one.state for one in read.lessons} == {NOT_REACHED}


def test_a_result_that_would_fill_the_memory_is_not_parsed(lessons):
    told = json.loads(graded_by(lessons).text()) | {"more": "x" * 2_000_000}
    read = verdicts.read(json.dumps(told), Graded("mallory", "key"), lessons)
    assert (read.passed, read.ended) == (0, "its result cannot be read")


def test_of_a_forged_result_only_what_belongs_there_is_kept(lessons):
    told = json.loads(graded_by(lessons).text())
    told |= {"learner": "somebody else", "ended": "never"}
    told["lessons"][0] |= {"seconds": 1e300, "cause": "x" * 10_000, "more": "things"}
    told["lessons"][0]["verdicts"][0] |= {"passed": "yes", "note": "\ud800"}
    read = verdicts.read(json.dumps(told), Graded("mallory", "key"), lessons)
    assert (read.learner, read.ended, read.lessons[0].seconds) == ("mallory", "", 1e6)
    assert (read.verdicts[0].passed, read.verdicts[0].note, len(read.lessons[0].cause)) == (False, "?", 500)


def test_a_lesson_that_was_not_handed_in_is_not_passed_whatever_a_notebook_writes(tmp_path, lessons):
    folder = write(tmp_path / "submissions" / "mallory", {FIRST: lesson(FIRST)})
    (one,) = submissions.find(folder.parent, lessons)
    forged = replace(
        graded_by(lessons), lessons=tuple(replace(graded_by(lessons).lessons[0], lesson=each.name) for each in lessons)
    )
    told = keeping.as_handed_in(forged, one, lessons)
    assert [each.state for each in told.lessons] == [GRADED, MISSING]
    assert [each.exercise for each in told.verdicts if each.passed] == ["90.1", "90.2"]


# -- reports --

HOSTILE = "=cmd|' /C calc'!A0 <script>alert(1)</script>"


@pytest.fixture
def cohort(lessons):
    said = f"NotQuite: Exercise 90.1: {HOSTILE}\n  try: <b>bold</b>"
    bad = replace(graded_by(lessons, c03=("NotQuite", said)), learner=HOSTILE)
    refused = replace(bad.lessons[1], state=REFUSED, cause=HOSTILE)
    return [graded_by(lessons), replace(bad, lessons=(bad.lessons[0], refused), ended="its time was up")]


def test_names_and_errors_are_escaped_in_every_format(cohort, tmp_path):
    report.write(cohort, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>" not in page
    assert "script&gt;" in page
    lines = (tmp_path / "results.csv").read_text(encoding="utf-8-sig").splitlines()
    assert not [line for line in lines if line.startswith(("=", '"='))]
    suites = ElementTree.fromstring((tmp_path / "junit.xml").read_bytes())
    assert [one.get("name") for one in suites] == ["alice", HOSTILE]
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["learners"][1]["learner"] == HOSTILE


def test_the_page_has_a_matrix_of_learners_and_exercises(cohort):
    page = report.html(cohort)
    assert all(f">{number}</th>" in page for number in ("90.1", "90.2", "91.1", "91.2"))
    marks = [page.count(f">{mark}</td>") for mark in (report.PASSED, report.OPEN, report.ABSENT)]
    assert marks == [3, 3, 2]


def test_lessons_that_nobody_handed_in_are_no_failure_of_anybody(lessons):
    page = report.html([graded_by(lessons)])
    assert ">2 of 2<" in page
    assert ">91.1</th>" not in page
    assert "Handed in by nobody, and left out: 91_second." in page


def test_who_handed_in_nothing_is_told_as_that(tmp_path):
    write(tmp_path / "submissions" / "dave", {})
    graded = pool.grade(
        tmp_path / "submissions", pool.Plan(tmp_path / "out", lessons=workbook_in(tmp_path / "workbook"))
    )
    assert {each.state for one in graded for each in one.lessons} == {MISSING}
    assert "the folder holds no notebook" in report.html(graded)


def test_a_report_of_one_keeps_the_others(cohort):
    again = replace(cohort[0], ended="its time was up")
    assert report.merged([again], cohort) == sorted([again, cohort[1]], key=lambda one: one.learner)


def test_errors_are_grouped_by_cause(cohort):
    (first, *_), others = report.causes(cohort), report.causes([*cohort, replace(cohort[1], learner="carol")])
    assert first[1:] == (["90.1"], [HOSTILE])
    assert others[0][2] == [HOSTILE, "carol"]


def test_the_first_hint_is_of_a_lesson_that_was_handed_in(cohort):
    assert cohort[0].first is None
    assert (cohort[1].first.exercise, cohort[1].first.hint) == ("90.1", "<b>bold</b>")


def test_only_time_may_differ_between_two_runs(cohort):
    slower = replace(cohort[0], lessons=tuple(replace(one, seconds=99.0) for one in cohort[0].lessons))
    assert report.verdicts([slower]) == report.verdicts(cohort[:1])
    assert report.verdicts(cohort[1:]) != report.verdicts(cohort[:1])


# -- what a room shows --


def test_a_room_shows_what_is_listed_and_nothing_else_of_a_home(tmp_path):
    home = tmp_path / "home"
    python, inner = home, home / "workbook" / "maas_lab"
    assert places([tmp_path / "opt", tmp_path / "opt" / "bin"], home)[-1] == tmp_path / "opt"
    assert home not in places([inner], home)
    # An OpenShift AI workbench's Python holds the home.
    shown = places([tmp_path, inner], home)
    assert [one for one in shown if str(one) not in SYSTEM] == [tmp_path, home, inner]
    assert python in shown
