"""The three accounts of real calls at the real gateway: each difference has the cause that was made."""

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from maas_lab import chargeback, usage, wait
from maas_lab.client import ask_many, openai_client
from maas_lab.keys import ApiKey
from maas_lab.windows import Window
from tests import made_up


@pytest.fixture
def lab(connected):
    return connected


@pytest.fixture
def clients(lab):
    """Make clients for keys of this test only; all are closed and deleted at the end."""
    with ExitStack() as opened:
        made = []

        def make(name, key=None, **given):
            if key is None:
                key = lab.gateway.create_key(f"{name} {uuid.uuid4().hex[:8]}", models=[lab.model], **given)
                made.append(key)
            return opened.enter_context(openai_client(lab.url, key)), key

        yield make
        lab.gateway.delete_key(*made)


def asked(lab, client, application, count=2, **options):
    prompts = [f"Say {n}." for n in range(count)]
    options = {"model": lab.model, "max_tokens": 4, "show": False} | options
    return ask_many(client, prompts, **options).frame.assign(application=application)


def untold(lab, client, application):
    """A stream whose client was not told how many tokens it used."""
    question = [{"role": "user", "content": "Say it."}]
    chunks = list(client.chat.completions.create(model=lab.model, messages=question, max_tokens=4, stream=True))
    row = {"application": application, "outcome": "answered", "request_id": chunks[0].id, "total_tokens": pd.NA}
    return pd.DataFrame([row | {"started_s": 0.0, "seconds": 1.0}]).astype({"total_tokens": "Int64"})


def test_real_calls_reconcile_and_each_difference_has_its_cause(lab, clients):
    since = datetime.now(UTC) - timedelta(seconds=2)
    tag = uuid.uuid4().hex[:8]
    chat, batch = f"Chat {tag}", f"Batch {tag}"
    own, chat_key = clients("chat", application=chat, team="Support")
    limited, batch_key = clients("batch", application=batch, team="Research", rpm_limit=2)
    wrong_key = ApiKey(made_up.key(tag), "wrong", ())
    wrong, _ = clients("wrong", key=wrong_key)
    told = [
        asked(lab, own, chat),
        asked(lab, own, chat, model="no-such-model"),
        asked(lab, wrong, chat),
        asked(lab, limited, batch, 4, concurrency=1),
        asked(lab, own, batch),  # with the key of another application
        untold(lab, own, chat),
    ]
    client = pd.concat(told, ignore_index=True)[
        ["application", "outcome", "request_id", "total_tokens", "started_s", "seconds"]
    ]
    hashes = [chat_key.hash, batch_key.hash, wrong_key.hash]

    def booked():
        found = lab.usage.rows(Window(since, datetime.now(UTC), running=True))
        mine = found[found["key_hash"].isin(hashes)].reset_index(drop=True)
        return [mine] if len(mine) == len(client) else None

    (rows,) = wait.until(booked, what="the spend rows of these calls", timeout=60, every=1)
    window = Window(since, datetime.now(UTC), running=True)
    summary = usage.summary(rows, by=("team", "application", "model"))
    bill = chargeback.invoice(summary, window=window, fixed="1.00")
    found = chargeback.reconcile(client, rows, bill)
    causes = {(one.application, one.cause): one.calls for one in found.differences.itertuples()}
    assert causes == {
        (chat, "rejected"): 4,
        (chat, "another key"): 2,
        (chat, "stream without usage"): 1,
        (batch, "rejected"): 2,
        (batch, "another key"): 2,
    }
    assert found.balanced
    assert set(bill.totals["team"]) >= {"Support", "Research"}
    # The gateway's own prices give what the gateway booked, so its costs are tokens by price, to the last digit.
    again = chargeback.invoice(summary, window=window, prices=chargeback.PriceList.of(lab.gateway.models()))
    assert again.lines["exact"].to_list() == bill.lines["exact"].to_list()

    lab.gateway.delete_key(chat_key, batch_key)
    after = usage.summary(lab.usage.rows(window).query("key_hash in @hashes"), by="application")
    assert {chat, batch} <= set(after["application"])  # the gateway still knows whose they were
