"""The completion record: what a check records, that it never fails for it, and what the signed file shows."""

import json
import multiprocessing
import os
import re
import stat
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maas_lab import connect, course, passes, record, settings
from maas_lab.checks.exercise import Exercise
from maas_lab.course import Place
from maas_lab.errors import NotDoneYet, NotQuite, UsageError
from tests.test_report import Page

ROOT = Path(__file__).parents[1]
HERE = Place("uid-1", "https://api.example.com:6443")
HOSTILE = '<script>alert("x")</script>\u202e\nEva & Söhne\ud800'


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MAAS_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())
    monkeypatch.setattr(course, "_here", HERE)
    return tmp_path / "home"


@pytest.fixture
def file(home):
    return home / "course" / "exercises.json"


def exercise(number="0.1"):
    return Exercise(number, "A section", ("small", "larger", "the answer"))


def blank(number="0.1"):
    with pytest.raises(NotDoneYet) as caught:
        exercise(number).filled(x=...)
    return caught.value.hint


def line(number="0.1"):
    return next(one for one in record.today().lines if one.exercise == number)


# The course


def test_the_exercises_of_the_record_are_those_of_the_lessons():
    lessons = sorted((ROOT / "solutions").glob("*.py"))
    told = [one for path in lessons for one in re.findall(r"\*\*Exercise (\d+\.\d+)\*\*", path.read_text())]
    assert list(record.exercises()) == told


def test_each_exercise_is_told_in_words():
    assert all(len(about) > 10 for about in record.exercises().values())
    assert record.exercises()["0.1"] == "how many pods the platform has"


# What a check records


def test_a_check_records_when_where_and_with_how_many_hints(home, capsys):
    before = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    blank()
    with pytest.raises(NotQuite):
        exercise().wrong("`x` is 3")
    exercise().right("yes")
    exercise("0.2").right("at once")
    assert capsys.readouterr().out == "Exercise 0.1 is right: yes\nExercise 0.2 is right: at once\n"
    found = record.today("Ada")
    assert found.passed == ["0.1", "0.2"]
    assert line().passed >= before
    assert (line().hints, line().where) == ("2 of 3", HERE.name)
    assert line("0.2").hints == "0 of 3"
    assert found.summary == f"2 of {len(record.exercises())} exercises passed by Ada, with 2 hints"
    assert found.missing == [number for number in record.exercises() if number not in ("0.1", "0.2")]


def test_hints_are_counted_over_restarts_and_each_of_them_once(home, monkeypatch):
    for _ in range(2):
        assert (blank(), blank()) == ("small", "larger"), "a new kernel begins with the small one"
        assert line().hints == "2 so far", "the same two hints"
        assert not line().is_passed
        monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())  # what a kernel remembers
    exercise().right("yes")
    assert line().hints == "2 of 3"


def test_the_section_to_read_again_is_no_hint(home):
    for _ in range(5):
        blank()
    exercise().right("yes")
    assert line().hints == "3 of 3"


def test_the_first_time_counts_and_later_ones_print_the_same(home, file, capsys):
    exercise().right("yes")
    first, content = capsys.readouterr().out, file.read_bytes()
    blank()
    exercise().right("yes")
    assert capsys.readouterr().out == first
    assert file.read_bytes() == content


def _solve(number):
    exercise(number).right("yes")


def test_notebooks_that_pass_exercises_at_once_lose_none(home):
    numbers = list(record.exercises())[:8]
    with multiprocessing.get_context("fork").Pool(len(numbers)) as pool:
        pool.map(_solve, numbers, chunksize=1)
    assert record.today().passed == numbers


def test_what_a_later_version_adds_survives(home, file):
    exercise().right("yes")
    with passes._changing() as content:
        content["later"] = {"a": 1}
    exercise("0.2").right("yes")
    assert json.loads(file.read_text())["later"] == {"a": 1}
    assert record.today().passed == ["0.1", "0.2"]


# What keeps a check from recording keeps it from nothing else


def not_recorded(capsys):
    begun = time.monotonic()
    exercise("0.2").right("yes")
    assert time.monotonic() - begun < 1.9
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Exercise 0.2 is right: yes"
    assert second.startswith("It is not in your record: ")
    return second


def test_a_home_that_cannot_be_written(home, capsys):
    home.write_text("a file, not a folder")
    assert blank("0.2") == "small"
    assert "set MAAS_LAB_HOME to a folder that you may write to" in not_recorded(capsys)


def test_a_full_disk(home, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert "free some space" in not_recorded(capsys)


@pytest.mark.parametrize("text", ["", "{", '{"format": "else"}', '{"format": "maas-lab exercises 1", "passed": {}}'])
def test_a_damaged_file(home, file, capsys, text):
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert "UsageError" in not_recorded(capsys)
    assert file.read_text() == text
    with pytest.raises(UsageError):
        record.today()


def test_a_file_that_was_changed_by_hand(home, file, capsys):
    blank()
    exercise().right("yes")
    file.write_text(file.read_text().replace('"hints": 1', '"hints": 0'))
    capsys.readouterr()
    told = not_recorded(capsys)
    assert "was changed after it was signed" in told
    assert f"mv {file}" in told
    with pytest.raises(UsageError, match="was changed after it was signed"):
        record.today()


def test_a_broken_configuration(home, capsys):
    home.mkdir()
    (home / "config.toml").write_text("[[")
    assert "is not valid TOML" in not_recorded(capsys)


def test_another_notebook_that_hangs(home, file, capsys):
    exercise().right("yes")
    capsys.readouterr()
    lock = os.open(file.parent / "lock", os.O_RDWR)
    course.try_lock(lock)
    try:
        assert "another notebook" in not_recorded(capsys)
    finally:
        os.close(lock)


def test_nobody_else_may_read_it_and_no_key_shows(home, file, tmp_path, capsys):
    exercise().right("yes")
    found = record.today("Ada")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (file.parent, *file.parent.iterdir())}
    assert modes == {"course": 0o700, "exercises.json": 0o600, "key": 0o600, "lock": 0o600}
    key = (file.parent / "key").read_text()
    assert re.fullmatch("[0-9a-f]{64}", key)
    shown = [repr(found), found._repr_html_(), capsys.readouterr().out]
    shown += [found.save(tmp_path / name).read_text() for name in ("r.json", "r.html")]
    assert not [text for text in shown if key in text]


# The signed file


@pytest.fixture
def signed(home, tmp_path):
    exercise().right("yes")
    return record.today("Ada").save(tmp_path / "record.json")


def test_a_signed_record_is_read_back_as_it_was(signed):
    assert record.verify(signed) == record.today("Ada")
    assert record.verify(str(signed)).name == "Ada"


def leaves(value, path=()):
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(one, (*path, key))
    else:
        yield path


def test_whatever_is_changed_in_it_is_found(signed):
    content = json.loads(signed.read_text())
    places = [place for place in leaves(content) if place not in (("key",), ("format",))]
    assert len(places) > 100
    for place in places:
        changed = json.loads(signed.read_text())
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = inner[place[-1]] + 1 if isinstance(inner[place[-1]], int) else f"{inner[place[-1]]}x"
        signed.with_name("changed.json").write_text(json.dumps(changed))
        with pytest.raises(UsageError, match=r"changed\.json was changed after it was signed"):
            record.verify(signed.with_name("changed.json"))
    for changed in ({**content, "more": 1}, {name: value for name, value in content.items() if name != "made"}):
        signed.with_name("changed.json").write_text(json.dumps(changed))
        with pytest.raises(UsageError, match="was changed"):
            record.verify(signed.with_name("changed.json"))


def test_another_labs_record_is_foreign(signed, tmp_path, monkeypatch):
    monkeypatch.setenv("MAAS_LAB_HOME", str(tmp_path / "other"))
    with pytest.raises(UsageError, match="was signed by another lab"):
        record.verify(signed)
    exercise().right("yes")
    with pytest.raises(UsageError, match="was signed by another lab") as caught:
        record.verify(signed)
    assert "the home that it was made in" in caught.value.hint


def test_a_key_that_is_gone_or_damaged_is_told_and_not_replaced(signed, file, capsys):
    key = file.parent / "key"
    content = key.read_text()
    key.write_text("short")
    with pytest.raises(UsageError, match="key is damaged"):
        record.verify(signed)
    key.unlink()
    with pytest.raises(UsageError) as caught:
        record.verify(signed)
    assert "key is gone" in caught.value.why
    capsys.readouterr()
    not_recorded(capsys)
    assert not key.exists()
    key.write_text(content)
    assert record.verify(signed).passed == ["0.1"]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"format": 1}', "[" * 100_000, "\x00", "9" * 10_000])
def test_a_file_that_is_no_record_is_told(home, tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match="is not a signed record"):
        record.verify(tmp_path / "x.json")


def test_what_cannot_be_read_or_is_not_signed_is_told(home, tmp_path):
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            record.verify(path)
    (tmp_path / "x.json").write_text('{"format": "maas-lab record 1"}')
    with pytest.raises(UsageError, match="is not signed"):
        record.verify(tmp_path / "x.json")


# The page


def test_the_page_stands_alone_and_shows_untrusted_text_as_text(home, tmp_path, monkeypatch):
    monkeypatch.setattr(course, "_here", Place("u", "https://x/<img src=x onerror=alert(1)>"))
    exercise().right("yes")
    text = record.today(HOSTILE).save(tmp_path / "record.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "img", "link", "iframe", "a", "form"} & {tag for tag, _ in page.elements}
    assert "default-src 'none'" in str(page.all("meta"))
    [title] = re.findall("<title>(.*?)</title>", text, re.DOTALL)
    assert title == "Completion record of &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;\ufffd Eva &amp; Söhne\ufffd"
    words = " ".join(page.words)
    assert f"1 of {len(record.exercises())}" in words
    assert "onerror=alert(1)" in words
    assert f"Not complete: {len(record.exercises()) - 1} exercises" in words
    assert "It does not say who was at the keyboard" in words


def test_a_complete_record_says_so(home, tmp_path):
    for number in record.exercises():
        exercise(number).right("yes")
    text = record.today().save(tmp_path / "record.html").read_text(encoding="utf-8")
    assert "Complete: all exercises are passed." in text
    assert record.today().missing == []


def test_a_record_of_nothing_writes_nothing_and_can_be_saved(home, tmp_path):
    found = record.today()
    assert not home.exists()
    assert found.summary.startswith("0 of ")
    assert "Last passed" not in found.save(tmp_path / "record.html").read_text(encoding="utf-8")
    assert record.verify(found.save(tmp_path / "record.json")) == found


@pytest.mark.parametrize("name", [None, 3, b"Ada", ...])
def test_a_name_is_text(home, name):
    with pytest.raises(UsageError, match="not text"):
        record.today(name)


def test_what_a_file_is_called_says_what_it_is(home, tmp_path):
    with pytest.raises(UsageError, match="neither a page nor a signed file"):
        record.today().save(tmp_path / "record.pdf")
    with pytest.raises(UsageError, match="there is no folder"):
        record.today().save(tmp_path / "none" / "record.html")


def test_it_prints_as_a_table_here_and_in_a_notebook(home):
    exercise().right("yes")
    text, html = repr(record.today(HOSTILE)), record.today(HOSTILE)._repr_html_()
    assert re.search(r"^0\.1 +how many pods the platform has +\d{4}-\d\d-\d\d \d\d:\d\d UTC +0 of 3 +https", text, re.M)
    assert re.search(r"^0\.2 .* not yet$", text, re.M)
    assert "<script>" not in html


# On the running stack


def test_the_lab_that_was_connected_is_the_one_that_is_recorded(stack, monkeypatch):
    monkeypatch.setattr(course, "_here", None)
    with closing(connect()) as lab, closing(connect()) as again:
        assert lab.place == again.place == course.here()
        assert lab.place.name == "a cluster on this machine"
        assert len(lab.place.uid) == 36
        lab.journal.note("99", people=7)
        assert again.journal.of("99") == {"people": 7}
        assert len(lab.record("Ada").lines) == len(record.exercises())
    assert (settings.load().course / "journal.json").exists()
