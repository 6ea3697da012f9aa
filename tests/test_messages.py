"""The list of all errors: it is complete, and what a run really prints is found in it."""

import ast
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from maas_lab import chargeback, manifests, settings, statuses, usage, wait
from maas_lab.blanks import Place, blank
from maas_lab.checks.exercise import Exercise
from maas_lab.client import expect
from maas_lab.errors import LabError, RateLimited
from maas_lab.keys import ApiKey
from maas_lab.kinds import kind
from maas_lab.local import packages
from maas_lab.local.home import Home
from maas_lab.messages import NEVER, errors, findings, of_script
from maas_lab.messages.page import COMMAND, ELSEWHERE, FILE, GROUPS, group, page, search, tells_a_cause
from maas_lab.messages.source import Source
from maas_lab.portal_refusals import portal_refusal, portal_unreachable
from maas_lab.refusals import refusal, unreachable

ROOT = Path(__file__).parents[1]
CAPTURES = ROOT / "tests" / "captures"


@pytest.fixture(scope="module")
def known():
    return errors(Source())


def test_the_page_is_in_step_with_the_source():
    assert FILE.read_text(encoding="utf-8") == page(), f"write it anew: {COMMAND}"


def test_every_error_can_be_found_by_its_words_and_says_what_to_do(known):
    wordless = {one.module for one in known if not one.has_words}
    assert wordless == {"local/packages.py"}, "it repeats the words of an installer's error"
    assert [(one.module, one.what) for one in known if not one.hint] == []


def test_every_module_with_errors_has_its_place_on_the_page(known):
    assert {one.module for one in known if group(one) == ELSEWHERE} == set(), f"name it in {GROUPS=}"


def test_the_page_does_not_tell_what_is_broken_in_lesson_06(known):
    told = {one.what for one in known if tells_a_cause(one)}
    assert len(told) > 10
    assert {what for what in told if f"NotQuite: {what} |" in FILE.read_text(encoding="utf-8")} <= {
        one.what for one in known if not tells_a_cause(one)
    }


def test_no_kind_of_error_is_missing(known):
    """Each class is said somewhere, or is only what others are made from."""
    tree = ast.parse((ROOT / "maas_lab" / "errors.py").read_text())
    kinds = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    parents = {base.id for node in kinds for base in node.bases}
    assert {node.name for node in kinds} - {one.kind for one in known} <= parents


def test_what_never_shows_is_still_in_the_source(monkeypatch):
    monkeypatch.setattr("maas_lab.messages.NEVER", ())
    assert set(NEVER) <= {one.what for one in errors(Source())}


def test_the_shell_script_is_read_to_its_end():
    assert len(of_script()) == len(re.findall(r'\bfail "', (ROOT / "lab").read_text()))


def test_both_doctors_are_read():
    assert {one.module for one in findings(Source())} == {"doctor.py", "checkup.py"}
    assert "disk" in {one.what for one in findings(Source())}


# -- what is really printed --


def raised(call, *arguments, **options):
    with pytest.raises(LabError) as caught:
        call(*arguments, **options)
    return caught.value


def answers(folder, make):  # what real servers answered, as the lab tells it
    for file in sorted((CAPTURES / folder).glob("*.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["status"] >= 400:
            yield make(told["status"], told["response"], told.get("headers", {}))


def typing_error(home):
    (home / "config.toml").write_text("[model]\nthread = 1\n")
    return raised(settings.load, {"MAAS_LAB_HOME": str(home)})


def no_home(home):
    (home / "thesis.txt").write_text("mine")
    return raised(Home(home).create)


def no_manifests(home):
    return raised(manifests.render, home / "nothing")


def forbidden():
    message = 'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "x"'
    body = {"kind": "Status", "reason": "Forbidden", "message": message}
    return statuses.refusal(statuses.Status.read(403, json.dumps(body)), "Pod")


MET = {
    "a misspelt setting": typing_error,
    "a folder that is no home": no_home,
    "no manifests": no_manifests,
    "a full disk": lambda home: packages.explained("installing node packages", ["No space left on device"]),
    "no network": lambda home: packages.explained("installing python packages", ["ERROR: Connection refused"]),
    "a wrong download": lambda home: packages.explained("generating the database client", ["npm error EINTEGRITY"]),
    "no right": lambda home: forbidden(),
    "no cluster": lambda home: statuses.unreachable("Connection refused", "https://127.0.0.1:6443"),
    "no gateway": lambda home: unreachable("Connection refused"),
    "a busy gateway": lambda home: unreachable("", timed_out=True),
    "no portal": lambda home: portal_unreachable("Connection refused"),
    "no OAuth server": lambda home: portal_unreachable("", timed_out=True, who="the OAuth server"),
    "an unknown key": lambda home: refusal(401, {"error": {"message": "no such key", "type": "auth_error"}}, {}),
    "a login page": lambda home: refusal(200, "<html>", {"content-type": "text/html"}),
    "a kind that nobody knows": lambda home: raised(kind, "Broom"),
    "no key": lambda home: raised(ApiKey, "two words"),
    "a time without a zone": lambda home: raised(usage.Window, datetime(2026, 1, 1), datetime.now(UTC)),
    "a month that is none": lambda home: raised(usage.month, 2026, 13),
    "a price that is not there": lambda home: raised(
        chargeback.PriceList.read().price, "no such card", "GPU hour", date(2026, 11, 1)
    ),
    "an allocation that is none": lambda home: raised(chargeback.allocate, 1, None, key="cows"),
    "nothing happens": lambda home: raised(wait.until, lambda: False, what="the spend row of this call", timeout=0),
    "a blank": lambda home: raised(Exercise("9.9", "Nowhere", ("look",)).filled, answer=...),
    "a wrong answer": lambda home: raised(Exercise("9.9", "Nowhere", ("look",)).as_number, "answer", "many"),
    "a marker without its end": lambda home: raised(blank, "### BEGIN SOLUTION\n1", Place("solutions/09.py", 1)),
}


@pytest.mark.parametrize("name", MET)
def test_what_is_printed_is_found(name, tmp_path, known):
    met = MET[name](tmp_path)
    line = met.lines()[0]
    assert line.startswith(f"{type(met).__name__}: ")
    assert type(met).__name__ in {one.kind for one in search(line, known)}, line


def test_every_refusal_of_the_captured_servers_is_found(known):
    met = [*answers("litellm", refusal), *answers("litemaas", portal_refusal)]
    assert len(met) > 20
    assert [line for line in (one.lines()[0] for one in met) if not search(line, known)] == []


def test_what_nobody_says_is_not_found(known):
    assert search("LabError: my cat sits on the keyboard", known) == []
    assert search("BudgetExceeded: the gateway does not know this key", known) == [], "another class says this"


def test_what_expect_says_is_found(known):
    error = raised(lambda: expect(RateLimited).__exit__(None, None, None))
    assert search(error.lines()[0], known)


# -- how the source is read --

PACKAGE = """
from maas_lab.errors import LabError

SECONDS = 30
_UNITS = {"a": "apples", "b": "pears"}

class NoFruit(LabError):
    pass

def plain(name: str):
    raise NoFruit(f"there is no {name!r}", f"after {SECONDS} s", "look")

def branches(wrong, count: int):
    hint = "never"
    if wrong:
        hint = "mend it"
    hint = "first" if count else "second"
    why = "A"
    if count > 3:
        why = "B"
    raise NoFruit("it is " + ("rotten" if wrong else f"{count} days old"), why, hint)

def by_callers(what: str, *, kind: type[NoFruit]):
    return kind(f"no {what}", _UNITS.get(what, "none"), hint=_told(what))

def _told(what):
    if what:
        return "ask for it"
    return "say what"

def callers(text):
    yield by_callers("bread and butter", kind=NoFruit)
    yield by_callers("milk", kind=NoFruit)
    for one, two in ((1, "salt"), (2, text)):
        yield by_callers(two, kind=NoFruit)
    what, hint = pair(text)
    raise NoFruit(what, hint=hint)

def pair(text):
    if text:
        return "x is y", "one"
    return f"z is {text}", "two"

def nothing(text):
    raise ValueError("a bug")
"""


@pytest.fixture
def read(tmp_path):
    (tmp_path / "fruit.py").write_text(PACKAGE)
    return {one.what: one for one in errors(Source(tmp_path))}


@pytest.mark.parametrize(
    ("what", "why", "hint"),
    [
        ("there is no …", ("after 30 s",), ("look",)),
        ("it is rotten", ("A", "B"), ("first", "second")),
        ("it is … days old", ("A", "B"), ("first", "second")),
        ("no …", ("apples", "pears", "none"), ("ask for it", "say what")),
        ("x is y", (), ("one", "two")),
        ("z is …", (), ("one", "two")),
    ],
)
def test_texts_are_followed_to_where_they_come_from(read, what, why, hint):
    assert (read[what].kind, read[what].why, read[what].hint) == ("NoFruit", why, hint)


def test_a_text_is_told_once(read):
    """Where one caller says a thing that nobody can know, what the others say is an example of it."""
    assert sorted(read) == ["it is rotten", "it is … days old", "no …", "there is no …", "x is y", "z is …"]


def test_a_new_error_is_missed_on_the_page(tmp_path, known):
    (tmp_path / "new.py").write_text('from errors import LabError\nraise LabError("quite new", hint="wait")\n')
    [new] = errors(Source(tmp_path))
    assert new.what not in FILE.read_text(encoding="utf-8")
    assert group(new) == ELSEWHERE
