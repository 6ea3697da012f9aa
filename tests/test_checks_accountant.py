"""What the accountant's checks say to answers that are wrong; the right ones are checked by the lesson, too."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from maas_lab import chargeback, checks, usage
from maas_lab.client import Reply
from maas_lab.errors import NotDoneYet, NotQuite
from maas_lab.portal_usage import Names, Usage

CAPTURES = Path(__file__).parent / "captures" / "litemaas"
CHAT, NIGHTLY, AGENT = APPS = ("Chat assistant 04", "Nightly summary 04", "Research agent 04")
TEAMS = {CHAT: "Support", NIGHTLY: "Finance", AGENT: "Research"}
BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)
RUN = usage.Window(BEGAN, BEGAN + timedelta(minutes=5), name="this lesson")
UNTOLD = {"request_id": "call-4", "prompt": "Where is the form?", "outcome": "answered"}
FIXED = Decimal("1.50")


def call(number, application, prompt, completion, outcome="answered"):
    """A row of usage; the fourth call is the one whose prompt tokens the gateway has guessed."""
    answered, named = outcome == "answered", application in TEAMS
    return {
        "time": BEGAN + timedelta(seconds=number),
        "request_id": f"call-{number}",
        "application": application,
        "team": TEAMS.get(application, usage.NO_TEAM),
        "user": "alice",
        "key": f"{application}_ab12" if named else f"{AGENT}, quick test_cd34",
        "key_hash": f"hash of {application}",
        "model": "m",
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": 0.001 * prompt + 0.002 * completion,
        "status": "success" if answered else "failure",
        "outcome": outcome,
        "latency_s": 0.5,
        "streamed": application == CHAT,
    }


def frame(*calls):
    return pd.DataFrame(list(calls), columns=usage.empty_rows().columns).astype(usage.empty_rows().dtypes)


ROWS = frame(
    *(call(n, CHAT, 37, 16) for n in range(4)),
    call(4, CHAT, 14, 16),
    *(call(n, NIGHTLY, 200, 24) for n in (5, 6)),
    *(call(n, AGENT, prompt, 12) for n, prompt in ((7, 40), (8, 80), (9, 160))),
    *(call(n, AGENT, 0, 0, "rate limited") for n in (10, 11)),
    *(call(n, usage.UNLABELLED, 35, 8) for n in (12, 13)),
    call(14, CHAT, 37, 16),
)


class Source:
    """A usage source that holds what the test put there."""

    def __init__(self, rows=ROWS):
        self.frame = rows

    def rows(self, window):
        return self.frame

    def summary(self, window, by):
        return usage.summary(self.frame, by)


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())
    return SimpleNamespace(usage=Source(), model="m")


def wrong(check, *arguments):
    with pytest.raises(NotQuite) as error:
        check(*arguments)
    assert error.value.hint
    return "\n".join(error.value.lines())


def right(capsys, check, *arguments):
    check(*arguments)
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    return told


# What is no number at all, whatever was asked for.
NO_NUMBERS = [
    (None, "is a NoneType, not a number"),
    ("3", "is a str, not a number"),
    (True, "is a bool, not a number"),
    (3 + 0j, "is a complex, not a number"),
    (pd.Series([3]), "is a Series, not a number"),
    (ROWS, "of a table, take one cell"),
    (float("nan"), "is nan"),
    (float("inf"), "is inf"),
    (np.float64("nan"), "is nan"),
    (Decimal("NaN"), "is nan"),
    (pd.NA, "is a NAType, not a number"),
]


@pytest.mark.parametrize(
    ("answer", "saw"),
    [
        *NO_NUMBERS,
        (2.5, "whole numbers"),
        (6, f"that of {CHAT}"),
        (5, "holds the rejected calls as well"),
        (2, "the number of rejected calls"),
        (13, "everybody's"),
        (99, "`hits` is 99"),
        (-3, "`hits` is -3"),
        (0, "`hits` is 0"),
    ],
)
def test_hits_that_are_not_those_of_the_application(lab, answer, saw):
    assert saw in wrong(checks.hits, lab, RUN, AGENT, answer)


@pytest.mark.parametrize("answer", [3, 3.0, np.int64(3), Decimal(3)])
def test_hits_of_the_application(lab, capsys, answer):
    assert right(capsys, checks.hits, lab, RUN, AGENT, answer).startswith("Exercise 4.1 is right: ")


@pytest.mark.parametrize(
    ("answer", "saw"),
    [
        *NO_NUMBERS,
        (280, "only those of prompts"),
        (36, "only those of answers"),
        (448, f"that of {NIGHTLY}"),
        (int(ROWS["total_tokens"].sum()), "everybody's"),
        (3, "`tokens` is 3"),
    ],
)
def test_tokens_that_are_not_those_of_the_application(lab, answer, saw):
    assert saw in wrong(checks.tokens, lab, RUN, AGENT, answer)


def test_tokens_of_the_application(lab, capsys):
    assert right(capsys, checks.tokens, lab, RUN, AGENT, 316).startswith("Exercise 4.2 is right: ")


@pytest.mark.parametrize("check", [checks.hits, checks.tokens])
def test_an_application_that_has_not_called_says_what_to_do(lab, check):
    assert "has booked nothing for Nobody" in wrong(check, lab, RUN, "Nobody", 0)


@pytest.mark.parametrize(
    ("runaway", "growth", "saw"),
    [
        ("agent", 4.0, "it is one of: Chat assistant 04"),
        (ROWS, 4.0, "it is one of"),
        ([AGENT], 4.0, "it is one of"),
        (CHAT, 4.0, "another application's grew more"),
        (NIGHTLY, 1.0, "its last prompt is 1.0 times"),
        (AGENT, 0.25, "divide the last by the first"),
        (AGENT, 0.0, "take prompt tokens of its answered calls"),
        (AGENT, 5.3, "`growth` is 5.30"),
        *((AGENT, answer, saw) for answer, saw in NO_NUMBERS),
    ],
)
def test_a_runaway_that_is_none(lab, runaway, growth, saw):
    assert saw in wrong(checks.runaway, lab, RUN, APPS, runaway, growth)


def test_the_runaway_and_how_its_calls_grow(lab, capsys):
    assert f"each call of {AGENT}" in right(capsys, checks.runaway, lab, RUN, APPS, AGENT, np.float64(4.0))
    lab.usage = Source(usage.empty_rows())
    assert "has booked nothing" in wrong(checks.runaway, lab, RUN, APPS, AGENT, 4.0)


def bill(rows=ROWS, by=("team", "application", "model"), **options):
    return chargeback.invoice(usage.summary(rows, by=by), **{"window": RUN, "fixed": FIXED, **options})


@pytest.mark.parametrize(
    ("answer", "saw"),
    [
        (None, "`bill` is a NoneType"),
        (ROWS, "`bill` is a DataFrame"),
        (5.0, "`bill` is a float"),
        (bill(fixed=0), "the platform's cost is not in this invoice"),
        (bill(ROWS.assign(cost=0.0)), "only the platform's cost"),
        (bill(ROWS[ROWS["application"] == AGENT]), "are they the calls of `rows`"),
        (bill(ROWS[ROWS["application"] != usage.UNLABELLED]), "are they the calls of `rows`"),
        (bill(ROWS.assign(team="Support")), "the teams of this invoice are not those of the rows"),
        (bill(ROWS.assign(application=CHAT)), "the applications of this invoice are not"),
        (
            chargeback.invoice(usage.summary(ROWS, by=("team", "model")), window=RUN, by="team", fixed=FIXED),
            "the applications of this invoice are not",
        ),
        (bill(allocation="hits"), "shared by hits"),
        (bill(allocation="even"), "shared by something else"),
    ],
)
def test_an_invoice_that_is_not_what_was_asked_for(lab, answer, saw):
    assert saw in wrong(checks.invoiced, lab, RUN, APPS, FIXED, answer)


def test_an_invoice_to_the_cent(lab, capsys):
    assert right(capsys, checks.invoiced, lab, RUN, APPS, FIXED, bill()).startswith("Exercise 4.4 is right: ")
    lab.usage = Source(pd.concat([ROWS, frame(call(40, "somebody else's", 500, 500))], ignore_index=True))
    assert right(capsys, checks.invoiced, lab, RUN, APPS, FIXED, bill()), "others' calls are not the lesson's"


@pytest.fixture
def booked_on_a_guess(lab, monkeypatch):
    """A gateway that booked 14 prompt tokens for a question that the model server reads as 37."""
    made = []
    lab.gateway = SimpleNamespace(
        spend_row=lambda request_id, timeout: SimpleNamespace(prompt_tokens=14),
        create_key=lambda name, **_: made.append(name) or name,
        delete_key=made.remove,
    )
    lab.client = lambda key: key
    reply = Reply("hi", "m", "c", 37, 1, 38, "length", 0.1)
    monkeypatch.setattr(
        "maas_lab.checks.bill.ask", lambda client, prompt, **_: reply if prompt in UNTOLD.values() else 0
    )
    return made


STRAY = f"{AGENT}, quick test_cd34"


@pytest.mark.parametrize(
    ("stray", "missing", "saw"),
    [
        (f"{CHAT}_ab12", 23, "that key says what it is for"),
        ("hash of (no application)", 23, "the hash of a key"),
        ("nobody's", 23, "not the name of a key in these rows"),
        (None, 23, "not the name of a key in these rows"),
        (ROWS, 23, "not the name of a key in these rows"),
        (STRAY, -23, "`missing` is below zero"),
        (STRAY, 37, "`missing` is what was measured"),
        (STRAY, 14, "`missing` is what was booked"),
        (STRAY, 0, "the gateway booked 14 prompt tokens, and the model server reads 37"),
        (STRAY, 24, "`missing` is 24"),
        *((STRAY, answer, saw) for answer, saw in NO_NUMBERS),
    ],
)
def test_a_discrepancy_that_is_another_one(lab, booked_on_a_guess, stray, missing, saw):
    assert saw in wrong(checks.discrepancy, lab, RUN, UNTOLD, stray, missing)
    assert booked_on_a_guess == [], "the key of the check is gone"


def test_the_two_causes_of_the_discrepancy(lab, booked_on_a_guess, capsys):
    told = right(capsys, checks.discrepancy, lab, RUN, UNTOLD, STRAY, np.int64(23))
    assert told.startswith("Exercise 4.5 is right: ")
    assert booked_on_a_guess == []


# The portal's statistics: LiteMaaS 0.4.0 as it was recorded, and a portal that agrees with its gateway.

RECORDED = json.loads((CAPTURES / "POST_admin_usage_analytics_double_counted.json").read_text())["response"]
KEYS = ["my app"]


def portal(prompt, completion, total):
    told = {**RECORDED, "totalTokens": {"total": total, "prompt": prompt, "completion": completion}}
    return SimpleNamespace(statistics=SimpleNamespace(usage=lambda since, keys: Usage.read(told, Names([]), True)))


LITEMAAS = portal(**RECORDED["totalTokens"])
AGREES = portal(120, 60, 180)


@pytest.fixture
def books(lab):
    """What the gateway had booked when LiteMaaS was recorded: ten answered calls and seven rejected ones."""
    calls = [call(n, CHAT, 12, 6) for n in range(10)] + [call(20 + n, CHAT, 0, 0, "rate limited") for n in range(7)]
    others = call(40, AGENT, 500, 500)
    lab.usage = Source(frame(*({**one, "key": "my app"} for one in calls), {**others, "key": "another"}))
    return lab


@pytest.mark.parametrize("answer", [["total"], ("total",), {"total"}])
def test_at_litemaas_only_the_total_is_billable(books, capsys, answer):
    told = right(capsys, checks.billable, books, LITEMAAS, RUN, KEYS, answer)
    agree, times = told.strip().split("; it tells ")
    assert agree == "Exercise 4.6 is right: portal and gateway agree about total"
    assert times == "prompt 2 times and completion 2 times"


def test_at_a_portal_that_agrees_everything_is_billable(books, capsys):
    told = right(capsys, checks.billable, books, AGREES, RUN, KEYS, ["total", "completion", "prompt"])
    assert told == "Exercise 4.6 is right: portal and gateway agree about prompt, completion, total\n"


@pytest.mark.parametrize(
    ("at", "answer", "saw"),
    [
        (LITEMAAS, ["prompt", "completion", "total"], "the portal says 240 prompt tokens, the gateway's rows 120"),
        (LITEMAAS, ["completion", "total"], "the portal says 120 completion tokens, the gateway's rows 60"),
        (LITEMAAS, [], "`billable` lacks 'total'"),
        (AGREES, ["total"], "`billable` lacks 'prompt'"),
        (AGREES, [], "`billable` lacks 'prompt'"),
        (AGREES, "total", 'it should be a list, e.g. ["total"]'),
        (AGREES, None, "`billable` is a NoneType"),
        (AGREES, {"total": True}, "`billable` is a dict"),
        (AGREES, pd.Series(["total"]), "`billable` is a Series"),
        (AGREES, ["total", "prompts"], "`billable` holds 'prompts'"),
        (AGREES, ["total", 1], "`billable` holds 1"),
    ],
)
def test_parts_that_are_not_those_that_agree(books, at, answer, saw):
    assert saw in wrong(checks.billable, books, at, RUN, KEYS, answer)


BOOKED = {"key of 1": [0.12, 0.12, 0.12], "key of 4": [0.12] * 5, "key of 16": [0.12] * 16}
DRILL = {1: "key of 1", 4: "key of 4", 16: "key of 16"}
BEYOND = {1: 0.06, 4: 0.3, 16: 1.62}


@pytest.fixture
def ledger(lab):
    rows = {key: [SimpleNamespace(cost=cost) for cost in costs] for key, costs in BOOKED.items()}
    lab.gateway = SimpleNamespace(spend_rows=lambda since, key: rows[key])
    return lab


@pytest.mark.parametrize(
    ("answer", "saw"),
    [
        (1.62, "not a dictionary with the keys 1, 4, 16"),
        (None, "not a dictionary"),
        ([0.06, 0.3, 1.62], "not a dictionary"),
        ({1: 0.06, 4: 0.3}, "not a dictionary with the keys 1, 4, 16"),
        ({"1": 0.06, "4": 0.3, "16": 1.62}, "not a dictionary with the keys"),
        (BEYOND | {16: 1.92}, "`overspent[16]` is everything that was spent"),
        (BEYOND | {4: 2}, "the gateway has booked 0.600, the cap is 0.300"),
        (BEYOND | {1: -0.06}, "`overspent[1]` is -0.060"),
        *((BEYOND | {4: answer}, saw) for answer, saw in NO_NUMBERS),
    ],
)
def test_dollars_beyond_a_cap_that_are_others(ledger, answer, saw):
    assert saw in wrong(checks.overspent, ledger, RUN, DRILL, 0.3, answer)


def test_dollars_beyond_a_cap(ledger, capsys):
    told = right(capsys, checks.overspent, ledger, RUN, DRILL, 0.3, {**BEYOND, 1: 0.06 + 1e-12})
    assert told.startswith("Exercise 4.7 is right: ")
    below = {1: 0, 4: 0, 16: 0.92}
    assert right(capsys, checks.overspent, ledger, RUN, DRILL, 1.0, below), "a cap that was not reached"


@pytest.mark.parametrize(
    ("check", "blanks"),
    [
        (checks.hits, ("hits",)),
        (checks.tokens, ("tokens",)),
    ],
)
def test_a_blank_is_told_by_its_name(lab, check, blanks):
    with pytest.raises(NotDoneYet, match=f"`{blanks[0]}` is still") as error:
        check(lab, RUN, AGENT, ...)
    assert error.value.hint


def test_the_other_blanks_are_told_by_their_names(lab):
    for name, ask in {
        "runaway": lambda: checks.runaway(lab, RUN, APPS, ..., ...),
        "growth": lambda: checks.runaway(lab, RUN, APPS, AGENT, ...),
        "bill": lambda: checks.invoiced(lab, RUN, APPS, FIXED, ...),
        "stray": lambda: checks.discrepancy(lab, RUN, UNTOLD, ..., ...),
        "missing": lambda: checks.discrepancy(lab, RUN, UNTOLD, STRAY, ...),
        "billable": lambda: checks.billable(lab, AGREES, RUN, KEYS, ...),
        "overspent": lambda: checks.overspent(lab, RUN, DRILL, 0.3, ...),
    }.items():
        with pytest.raises(NotDoneYet, match=f"`{name}` is still"):
            ask()
