"""The summary of a run: what it says of each exercise, that every format is valid, and that nothing of it is lost."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from maas_lab import runner
from maas_lab.results import Case, Recorder, Suite, junit
from maas_lab.results.documents import as_json, as_suites
from maas_lab.results.run import LessonRun, Run
from maas_lab.results.summary import page
from maas_lab.runner import CellDone, Failure, LessonDone, LessonStarted, Result

FILES = ["junit.xml", "summary.html", "summary.json"]
BEGAN = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
CELLS = (  # prose, or source with papermill's status and seconds
    ("# A lesson", None, 0),
    ("connect()", "completed", 2.0),
    ("**Exercise 3.1** Do.", None, 0),
    ("do()", "completed", 1.0),
    ("checks.do()", "completed", 0.5),
    ("**Exercise 3.2** Do more.", None, 0),
    ("checks.more()", "failed", 0.25),
    ("**Exercise 3.3** Do all.", None, 0),
    ("checks.all()", "pending", None),
)


def copy(folder, name="03_x", cells=CELLS):
    """Write an executed copy as papermill leaves it."""
    made = []
    for source, status, seconds in cells:
        if status:
            told = {"status": status, "duration": seconds}
            made.append(nbformat.v4.new_code_cell(source, metadata={"papermill": told}))
        else:
            made.append(nbformat.v4.new_markdown_cell(source))
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def failed(folder, **of_failure):
    told = Failure(4, "NotQuite", ["NotQuite: Exercise 3.2: no", "  try: more"], "more", "Exercise 3.2")
    return Result("03_x", copy(folder), 5.0, 3, 5, replace(told, **of_failure))


def run_of(*lessons, state="complete"):
    return Run(lessons, state, BEGAN, 7.5)


def cases(lesson):
    return [(one.name, one.outcome, one.seconds) for one in as_suites(run_of(lesson))[0].cases]


def test_each_exercise_has_passed_failed_or_was_not_reached(tmp_path):
    lesson = LessonRun.of(failed(tmp_path))
    assert [(one.name, one.state, one.seconds) for one in lesson.exercises] == [
        ("Exercise 3.1", "passed", 1.5),
        ("Exercise 3.2", "failed", 0.25),
        ("Exercise 3.3", "not reached", 0.0),
    ]
    assert cases(lesson) == [
        ("Exercise 3.1", "passed", 1.5),
        ("Exercise 3.2", "failure", 0.25),
        ("Exercise 3.3", "skipped", None),
        ("cells outside exercises", "passed", 3.25),
    ]


def test_a_failure_outside_exercises_is_in_one_case_and_what_breaks_is_an_error(tmp_path):
    lesson = LessonRun.of(failed(tmp_path, exercise=None, error="KeyError", lines=["KeyError: 'x'"], hint=""))
    assert [case[1] for case in cases(lesson)] == ["passed", "skipped", "skipped", "error"]


def test_without_a_copy_the_result_still_counts(tmp_path):
    result = failed(tmp_path)
    result.output.unlink()
    lesson = LessonRun.of(result)
    assert lesson.copy is None
    assert cases(lesson) == [("cells outside exercises", "failure", 5.0)]
    assert as_json(run_of(lesson))["lessons"][0]["copy"] is None


def test_json_has_the_documented_fields(tmp_path):
    told = as_json(run_of(LessonRun.of(failed(tmp_path)), LessonRun("04_y")))
    assert {name: value for name, value in told.items() if name != "lessons"} == {
        "format": "maas-lab-run",
        "version": 1,
        "state": "complete",
        "passed": False,
        "began": "2026-11-28T09:00:00+00:00",
        "seconds": 7.5,
    }
    assert told["lessons"][0] == {
        "lesson": "03_x",
        "state": "failed",
        "seconds": 5.0,
        "cells_passed": 3,
        "cells": 5,
        "copy": "03_x.ipynb",
        "failure": {
            "exercise": "Exercise 3.2",
            "cell": 4,
            "error": "NotQuite",
            "lines": ["NotQuite: Exercise 3.2: no", "  try: more"],
            "hint": "more",
        },
        "exercises": [
            {"exercise": "Exercise 3.1", "state": "passed", "seconds": 1.5},
            {"exercise": "Exercise 3.2", "state": "failed", "seconds": 0.25},
            {"exercise": "Exercise 3.3", "state": "not reached", "seconds": 0.0},
        ],
    }
    assert told["lessons"][1]["state"] == "not run"


# -- JUnit --

SUITES = [
    Suite(
        "ann\x00 <&\"' \ud800 ü",
        [
            Case("1.1", seconds=1),
            Case("1.2", "failure", 2, "NotQuite", "no\x1b[31m", "line\nline\x08"),
            Case("1.3", "error", kind="Boom", message="]]> <!--"),
            Case("1.4", "skipped", message="not reached"),
        ],
        began=BEGAN,
    ),
    Suite("ben", [Case("1.1", seconds=0.5)], seconds=3),
    Suite("nobody", []),
]


def test_junit_counts_add_up_and_every_name_is_kept():
    root = ElementTree.fromstring(junit("course", SUITES))
    assert (root.tag, dict(root.attrib)) == (
        "testsuites",
        {"name": "course", "tests": "5", "failures": "1", "errors": "1", "skipped": "1", "time": "6.000"},
    )
    assert [suite.get("tests") for suite in root] == ["4", "1", "0"]
    assert [float(suite.get("time")) for suite in root] == [3, 3, 0]
    assert root[0].get("name") == "ann\N{REPLACEMENT CHARACTER} <&\"' \N{REPLACEMENT CHARACTER} ü"
    assert root[0].get("timestamp") == "2026-11-28T09:00:00+00:00"
    for suite in root:
        for outcome, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert len(suite.findall(f"testcase/{outcome}")) == int(suite.get(name))
        assert all(case.get("classname") == suite.get("name") for case in suite)
    failure = root.find("testsuite/testcase/failure")
    assert (failure.get("type"), failure.text) == ("NotQuite", "line\nline\N{REPLACEMENT CHARACTER}")
    assert root.find("testsuite/testcase/error").get("message") == "]]> <!--"


# -- the page --


def test_the_page_shows_what_failed_escaped_and_links_to_the_copies(tmp_path):
    hostile = 'javascript:x"><script>alert(1)'
    lesson = LessonRun.of(failed(tmp_path, lines=["NotQuite: <b>no</b> \x07 \u202e"], hint="<i>more</i>"))
    lesson = replace(lesson, name=hostile, copy=Path(f"{hostile}.ipynb"))
    shown = page(run_of(lesson))
    assert "<script" not in shown
    assert "&lt;b&gt;no&lt;/b&gt; \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}" in shown
    assert "&lt;i&gt;more&lt;/i&gt;" in shown
    assert re.findall(r'href="([^"]*)"', shown) == ["./javascript%3Ax%22%3E%3Cscript%3Ealert%281%29.ipynb"]
    assert "Exercise 3.2, cell 4" in shown


@pytest.mark.parametrize(
    ("state", "lesson", "words"),
    [
        ("complete", LessonRun("03_x", "passed"), "All lessons passed."),
        ("complete", LessonRun("03_x", "failed"), "Not passed: 03_x."),
        ("interrupted", LessonRun("03_x", "interrupted"), "This run was interrupted"),
        ("running", LessonRun("03_x", "running"), "This run goes on, or was killed"),
    ],
)
def test_the_page_says_first_how_the_run_is(state, lesson, words):
    assert words in page(run_of(lesson, state=state))


def test_no_format_shows_a_key(tmp_path):
    secret = "sk-" + "a1" * 20
    lesson = LessonRun.of(failed(tmp_path, lines=[f"KeyError: '{secret}'"], hint=f"use {secret}"))
    run = run_of(lesson)
    for shown in (json.dumps(as_json(run)), junit("x", as_suites(run)).decode(), page(run)):
        assert "a1a1" not in shown
        assert "KeyError" in shown


# -- while it goes on --


def states(folder):
    told = json.loads((folder / "summary.json").read_text())
    return told["state"], [one["state"] for one in told["lessons"]]


def test_the_summary_is_there_from_the_first_lesson_on(tmp_path):
    seen, said = [], []
    with Recorder(tmp_path, ["03_x", "04_y"], said.append) as recorder:
        note = recorder.then(seen.append)
        assert list(tmp_path.iterdir()) == [], "a run that is refused leaves nothing"
        note(LessonStarted("03_x", 5))
        assert states(tmp_path) == ("running", ["running", "not run"])
        note(LessonDone(failed(tmp_path)))
        assert states(tmp_path) == ("running", ["failed", "not run"])
        note(LessonStarted("04_y", 1))
        note(LessonDone(Result("04_y", tmp_path / "04_y.ipynb", 1.0, 1, 1)))
    assert states(tmp_path) == ("complete", ["failed", "passed"])
    assert len(seen) == 4
    assert str(tmp_path / "summary.html") in said[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["03_x.ipynb", *FILES]


def test_ctrl_c_leaves_what_is_known_so_far(tmp_path):
    def stopped():
        with Recorder(tmp_path, ["03_x", "04_y", "05_z"]) as recorder:
            note = recorder.then(lambda event: None)
            for event in (LessonStarted("03_x", 5), LessonDone(failed(tmp_path)), LessonStarted("04_y", 9)):
                note(event)
            note(CellDone("04_y", 0, 9, 1.5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert states(tmp_path) == ("interrupted", ["failed", "interrupted", "not run"])
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert root[1].find("testcase/error").get("message") == "stopped after 1 of 9 cells"
    assert root[2].find("testcase/skipped") is not None
    assert "interrupted" in (tmp_path / "summary.html").read_text()


def test_a_real_run_is_summed_up(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    (tmp_path / "in").mkdir()
    cells = [
        nbformat.v4.new_markdown_cell("**Exercise 9.1** One."),
        nbformat.v4.new_code_cell("1"),
        nbformat.v4.new_markdown_cell("**Exercise 9.2** Two."),
        nbformat.v4.new_code_cell("1 / 0"),
        nbformat.v4.new_markdown_cell("**Exercise 9.3** Three."),
        nbformat.v4.new_code_cell("3"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "in" / "09_x.ipynb")
    out = tmp_path / "out"
    with Recorder(out, ["09_x"]) as recorder:
        runner.run([tmp_path / "in" / "09_x.ipynb"], out, on_event=recorder.then(lambda event: None))
    [lesson] = json.loads((out / "summary.json").read_text())["lessons"]
    assert [(one["exercise"], one["state"]) for one in lesson["exercises"]] == [
        ("Exercise 9.1", "passed"),
        ("Exercise 9.2", "failed"),
        ("Exercise 9.3", "not reached"),
    ]
    assert lesson["failure"]["lines"] == ["ZeroDivisionError: division by zero"]
    assert sorted(path.name for path in out.iterdir()) == ["09_x.ipynb", *FILES]
