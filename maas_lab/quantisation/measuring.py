"""Measure model servers that differ in the precision of their weights, one call at a time, from a caller's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from maas_lab import wait
from maas_lab.client import ask
from maas_lab.errors import UsageError
from maas_lab.quantisation.answers import agreement
from maas_lab.quantisation.servers import Server, memory, servers, weights

if TYPE_CHECKING:
    import openai

    from maas_lab.lab import Lab

FIRST_LOOK_S = 120  # a cluster measures new pods after a minute at the latest


@dataclass(frozen=True, repr=False)
class Measured:
    """What was measured of one model in several precisions.

    Attributes:
        table: one row per precision, the largest first: `precision`; `bytes` of all weights; `parameters`, how many
            weights there are; `memory` of the server, bytes; `tokens_per_second` of one caller, after the first token;
            `same_answers` and `same_words`, shares of 1, compared with the reference.
        answers: one row per question and precision: `question`, `precision`, `text`, `tokens`, `seconds` after the
            first token.
        reference: the precision that the others are compared with.
    """

    table: pd.DataFrame
    answers: pd.DataFrame
    reference: str

    def __repr__(self) -> str:
        questions = self.answers["question"].nunique()
        return f"Measured({', '.join(self.table['precision'])}; {questions} questions)"


def measure(
    lab: Lab,
    namespace: str,
    questions: Sequence[str],
    *,
    max_tokens: int = 24,
    reference: str | None = None,
    parameters: int | None = None,
) -> Measured:
    """Ask all model servers of a namespace the same questions, greedily, and return what each took and said.

    Each question goes to all of them before the next one does, so that a moment in which the machine is busy touches
    all alike.

    Args:
        lab: the lab; it must reach the model servers, past the gateway.
        namespace: where they are; each says its precision in an annotation.
        questions: at least one.
        max_tokens: the longest answer, in tokens; at least 2, because speed is that after the first.
        reference: the precision that the others are compared with; that with the most bytes when left out.
        parameters: how many weights the model has, for servers that do not tell.

    Raises:
        NotFound: no model server there says its precision.
        UsageError: there is no question, too short an answer, or no server of this precision.
        GatewayError: a server does not answer.
    """
    if isinstance(questions, str) or not questions or max_tokens < 2:
        raise UsageError("nothing can be measured so", hint="give a list of questions, and max_tokens of 2 or more")
    found = servers(lab.cluster, namespace)
    if reference is not None and reference not in [one.precision for one in found]:
        known = ", ".join(one.precision for one in found)
        raise UsageError(f"no server has the precision {reference!r}", f"there are: {known}", "name one of them")
    with ExitStack() as opened:
        clients = {one: opened.enter_context(lab.direct_client(one.name, namespace)) for one in found}
        answers = _answers(clients, questions, max_tokens)
        rows = [_row(lab, one, client, answers, parameters) for one, client in clients.items()]
    table = pd.DataFrame(rows).sort_values("bytes", ascending=False, kind="stable", ignore_index=True)
    reference = reference or table["precision"].iloc[0]
    return Measured(_compared(table, answers, reference), answers, reference)


def _answers(clients: Mapping[Server, openai.OpenAI], questions: Sequence[str], max_tokens: int) -> pd.DataFrame:
    for server, client in clients.items():
        ask(client, questions[0], model=server.name, max_tokens=1)  # the first call of all is slower
    rows = []
    for question in questions:
        for server, client in clients.items():
            reply = ask(client, question, model=server.name, max_tokens=max_tokens, stream=True)
            seconds = reply.seconds - (reply.first_token_s or 0.0)
            told = {"question": question, "precision": server.precision, "text": reply.text}
            rows.append({**told, "tokens": reply.completion_tokens, "seconds": seconds})
    return pd.DataFrame(rows)


def _row(
    lab: Lab, server: Server, client: openai.OpenAI, answers: pd.DataFrame, parameters: int | None
) -> dict[str, object]:
    told, own = weights(lab, server, client), answers[answers["precision"] == server.precision]
    used = wait.until(
        lambda: memory(lab.cluster, server),
        what=f"the memory of {server.name}",
        timeout=FIRST_LOOK_S,
        hint=f"kubectl top pods -n {server.namespace}: does this cluster measure its pods?",
    )
    return {
        "precision": server.precision,
        "bytes": told.bytes,
        "parameters": told.parameters or parameters,
        "memory": int(used),
        "tokens_per_second": (own["tokens"] - 1).sum() / own["seconds"].sum(),
    }


def _compared(table: pd.DataFrame, answers: pd.DataFrame, reference: str) -> pd.DataFrame:
    texts = answers.groupby("precision", sort=False)["text"].agg(list)
    found = [agreement(texts[reference], texts[one]) for one in table["precision"]]
    return table.assign(same_answers=[one.answers for one in found], same_words=[one.words for one in found])
