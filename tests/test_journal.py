"""What lessons measured stays in the lab's home: whole, private, of one lab, and never a secret."""

import ast
import json
import math
import multiprocessing
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy
import pandas
import pytest

from maas_lab import course, settings
from maas_lab.course import Place
from maas_lab.errors import EnvironmentFault, NotFound, TookTooLong, UsageError
from maas_lab.journal import Journal
from maas_lab.keys import ApiKey
from maas_lab.local.home import Home

ROOT = Path(__file__).parents[1]
HERE, ELSEWHERE = Place("uid-1", "a cluster on this machine"), Place("uid-2", "https://api.example.com:6443")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MAAS_LAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def journal(home):
    return Journal(HERE)


@pytest.fixture
def file(home):
    return home / "course" / "journal.json"


def test_what_was_noted_is_there_in_another_process(journal, home):
    journal.note("03", model="smollm2", first_token=0.25, tickets=10, cost=Decimal("1.50"), shared=True)
    journal.note(
        "04", hits=numpy.int64(7), tokens=pandas.Series([1, 2]).sum(), overshoot={1: numpy.float64(0.1), 16: 2}
    )
    code = (
        "from tests.test_journal import *; import json; j = Journal(HERE); print(json.dumps([j.of('03'), j.of('04')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        {"model": "smollm2", "first_token": 0.25, "tickets": 10, "cost": 1.5, "shared": True},
        {"hits": 7, "tokens": 3, "overshoot": {"1": 0.1, "16": 2}},
    ]
    assert abs(journal.when("03") - datetime.now(UTC)) < timedelta(minutes=1)
    assert repr(journal) == "Journal(lessons 03, 04)"


def test_a_lesson_notes_anew_and_others_stay(journal):
    journal.note("01", people=7, slots=2)
    journal.note("02", pods=5)
    journal.note("01", people=8)
    assert journal.of("01") == {"people": 8}
    assert journal.missing(["00", "01", "02", "03"]) == ["00", "03"]


def test_a_lesson_that_has_measured_nothing_is_named(journal, home):
    assert journal.missing(["01", "02"]) == ["01", "02"]
    assert repr(journal) == "Journal(no lesson yet)"
    with pytest.raises(NotFound, match="lesson 02 has measured nothing") as caught:
        journal.of("02")
    assert "run lesson 02" in caught.value.hint
    assert not home.exists(), "looking writes nothing"


def test_numbers_of_another_lab_are_never_given_for_this_one(journal):
    journal.note("01", people=7)
    other = Journal(ELSEWHERE)
    assert other.missing(["01"]) == ["01"]
    with pytest.raises(NotFound) as caught:
        other.of("01")
    assert "another lab, a cluster on this machine, or of this one before a reset" in caught.value.why
    other.note("01", people=3)
    assert (journal.of("01"), other.of("01")) == ({"people": 7}, {"people": 3})


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("https://127.0.0.1:6443", "a cluster on this machine"),
        ("https://localhost:1", "a cluster on this machine"),
        ("https://api.example.com:6443", "https://api.example.com:6443"),
    ],
)
def test_a_lab_is_known_by_its_uid_and_else_by_its_address(server, name):
    assert Place.of(server, "u") == Place("u", name)
    assert Place.of(server, "") == Place(server, name)


def test_nobody_else_may_read_it(journal, home, file):
    journal.note("01", people=7)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (home, file.parent, *file.parent.iterdir())}
    assert set(modes) == {home, file.parent, file, file.parent / "lock"}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items()), modes


KEY = "sk-" + "a1b2" * 5


@pytest.mark.parametrize(
    ("value", "saw"),
    [
        (math.nan, "`x` is nan"),
        (math.inf, "`x` is inf"),
        (Decimal("NaN"), "`x` is nan"),
        (numpy.float64("nan"), "`x` is nan"),
        (None, "`x` is a NoneType"),
        (..., "`x` is a ellipsis"),
        ([1, 2], "`x` is a list"),
        (1j, "`x` is a complex"),
        (pandas.NA, "`x` is a NAType"),
        (pandas.Series([1]), "`x` is a Series"),
        (ApiKey(KEY), "`x` is a ApiKey"),
        (KEY, "`x` looks like a secret"),
        (f"my key is {KEY}.", "`x` looks like a secret"),
        ({"a": {"b": KEY}}, "`x['a']['b']` looks like a secret"),
        ({KEY: 1}, "`a key of x` looks like a secret"),
        ("sha256~abcdefgh", "`x` looks like a secret"),
        ("postgresql://me:word@host/db", "`x` looks like a secret"),
        ("-----BEGIN PRIVATE KEY-----", "`x` looks like a secret"),
        ("Authorization: Bearer abc", "`x` looks like a secret"),
        ({1.5: 1}, "`x` has the key 1.5"),
        ({True: 1}, "`x` has the key True"),
        ({"a": math.nan}, "`x['a']` is nan"),
        ("x" * 201, "`x` is too long"),
    ],
)
def test_what_does_not_belong_into_a_journal_is_refused(journal, home, value, saw):
    with pytest.raises(UsageError) as caught:
        journal.note("01", fine=1, x=value)
    assert caught.value.what.startswith(saw)
    assert KEY not in str(caught.value.lines())
    assert not home.exists(), "nothing of it was kept"


@pytest.mark.parametrize(
    "text", ["task-management for many", "http://127.0.0.1:6443/v1", "risk-averse", "Bob & Bearers"]
)
def test_words_that_are_no_secrets_pass(journal, text):
    journal.note("01", x=text)
    assert journal.of("01") == {"x": text}


@pytest.mark.parametrize("lesson", ["1", "001", "01_problem", 1, None, "..", "٠١"])
def test_a_lesson_is_named_by_two_digits(journal, lesson):
    for call in (lambda: journal.note(lesson, x=1), lambda: journal.of(lesson), lambda: journal.missing([lesson])):
        with pytest.raises(UsageError, match="is no lesson"):
            call()


def test_nothing_is_nothing_to_note(journal):
    with pytest.raises(UsageError, match="nothing to note"):
        journal.note("01")


DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"format": "something else"}',
    '{"format": "maas-lab journal 1", "labs": []}',
    '{"format": "maas-lab journal 1", "labs": {"uid-1": 3}}',
    '{"format": "maas-lab journal 1", "labs": {"uid-1": {"name": "x", "lessons": {"01": {"numbers": {}}}}}}',
    '{"format": "maas-lab journal 1", "labs": {"uid-1": {"name": "x", "lessons": {"01": {"at": "2026"}}}}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_told_and_stays_as_it_is(journal, file, text):
    file.parent.mkdir(parents=True)
    file.write_text(text)
    for call in (lambda: journal.note("01", x=1), lambda: journal.of("01"), lambda: journal.missing(["01"])):
        with pytest.raises(UsageError, match="is damaged") as caught:
            call()
        assert str(file) in caught.value.hint
    assert file.read_text() == text


def test_bytes_that_are_no_text_are_told(journal, file):
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is damaged"):
        journal.of("01")


def test_what_a_later_version_adds_survives(journal, file):
    journal.note("01", people=7)
    content = json.loads(file.read_text())
    content["later"] = {"a": [1]}
    content["labs"]["uid-1"]["later"] = 1
    content["labs"]["uid-1"]["lessons"]["01"]["later"] = 2
    file.write_text(json.dumps(content))
    journal.note("01", people=8)
    journal.note("02", pods=5)
    found = json.loads(file.read_text())
    assert found["later"] == {"a": [1]}
    assert found["labs"]["uid-1"]["later"] == 1
    assert found["labs"]["uid-1"]["lessons"]["01"]["later"] == 2
    assert journal.of("01") == {"people": 8}


def _note(lesson):
    for number in range(10):
        Journal(HERE).note(lesson, number=number)


def test_notebooks_that_note_at_once_lose_nothing(journal):
    lessons = [f"{number:02}" for number in range(6)]
    with multiprocessing.get_context("fork").Pool(len(lessons)) as pool:
        pool.map(_note, lessons)
    assert [journal.of(lesson) for lesson in lessons] == [{"number": 9}] * len(lessons)


def test_a_process_that_was_killed_while_it_wrote_leaves_the_file_whole(journal, file):
    journal.note("01", people=7)
    code = (
        "import os; from tests.test_journal import *; from pathlib import Path\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "Journal(HERE).note('01', people=8)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert journal.of("01") == {"people": 7}
    journal.note("01", people=9)
    assert journal.of("01") == {"people": 9}


def test_a_full_disk_is_told_and_leaves_nothing_behind(journal, file, monkeypatch):
    journal.note("01", people=7)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(EnvironmentFault, match="cannot write to") as caught:
        journal.note("01", people=8)
    assert "free some space" in caught.value.hint
    assert sorted(path.name for path in file.parent.iterdir()) == ["journal.json", "lock"]
    assert journal.of("01") == {"people": 7}


def test_a_home_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MAAS_LAB_HOME", str(tmp_path / "file"))
    with pytest.raises(EnvironmentFault) as caught:
        Journal(HERE).note("01", people=7)
    assert "MAAS_LAB_HOME" in caught.value.hint


def test_who_never_lets_go_is_told(journal, file, monkeypatch):
    journal.note("01", people=7)
    monkeypatch.setattr(course, "PATIENCE_S", 0.05)
    lock = os.open(file.parent / "lock", os.O_RDWR)
    course.try_lock(lock)
    try:
        with pytest.raises(TookTooLong, match="another notebook"):
            journal.note("01", people=8)
        assert journal.of("01") == {"people": 7}, "reading waits for nobody"
    finally:
        os.close(lock)


def test_the_learners_files_may_be_there_first_and_stay_after_a_reset(journal, home):
    journal.note("01", people=7)
    lab = Home(home)
    lab.create()
    assert lab.remove() == ["course"]
    assert journal.of("01") == {"people": 7}


def test_the_home_of_these_tests_is_not_the_users():
    assert Path.home() / ".maas-lab" not in (settings.load().home, *settings.load().home.parents)


NOTED = {
    "01": "people slots running memory_hoarded memory_shared memory_one busy_hoarded busy_shared wait_p50_hoarded"
    " wait_p95_hoarded wait_p50_shared wait_p95_shared tokens_by_person service_seconds",
    "02": "rollout_calls rollout_lost pods",
    "03": "model first_token tokens_per_second tickets",
    "04": "hits tokens cost invoice overshoot",
}


@pytest.mark.parametrize("lesson", NOTED)
def test_each_lesson_notes_what_the_last_one_sets_side_by_side(lesson):
    [path] = (ROOT / "solutions").glob(f"{lesson}_*.py")
    calls = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
    [call] = [one for one in calls if ast.unparse(one.func) == "lab.journal.note"]
    assert call.args[0].value == lesson
    assert {one.arg for one in call.keywords} >= set(NOTED[lesson].split())
