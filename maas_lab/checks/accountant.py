"""The accountant's exercises: hits and tokens, the runaway, the portal's statistics, and a cap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maas_lab import usage
from maas_lab.checks.exercise import Exercise

if TYPE_CHECKING:
    import pandas as pd

    from maas_lab.keys import ApiKey
    from maas_lab.lab import Lab
    from maas_lab.portal import Portal
    from maas_lab.usage import Window

PARTS = ("prompt", "completion", "total")


def hits(lab: Lab, window: Window, application: str, hits: int) -> None:
    """Check exercise 4.1: the answered calls of an application in a window."""
    exercise = Exercise(
        "4.1",
        "Count hits and tokens",
        (
            "each row of `by_application` is one application; you want one cell of one row",
            'by_application.set_index("application") makes the names its index, and .loc[agent, ...] takes a cell',
            'hits = by_application.set_index("application").loc[agent, "hits"]',
        ),
    )
    exercise.filled(hits=hits)
    answer, counts = exercise.as_count("hits", hits), _counts(exercise, lab, window, application)
    found = counts.loc[application]
    if answer == found["hits"]:
        exercise.right(f"{application} was answered that often; its rejected calls are another series")
        return
    if answer == found["hits"] + found["rejected"]:
        exercise.wrong("`hits` holds the rejected calls as well", "a call that was refused is no hit")
    if answer == found["rejected"]:
        exercise.wrong("`hits` is the number of rejected calls")
    _somebody_elses(exercise, "hits", answer, counts["hits"])


def tokens(lab: Lab, window: Window, application: str, tokens: int) -> None:
    """Check exercise 4.2: the tokens of an application in a window, prompts and answers together."""
    exercise = Exercise(
        "4.2",
        "Count hits and tokens",
        (
            "`by_application` has three columns of tokens; one of them is the sum of the other two",
            'tokens = by_application.set_index("application").loc[agent, "total_tokens"]',
        ),
    )
    exercise.filled(tokens=tokens)
    answer, counts = exercise.as_count("tokens", tokens), _counts(exercise, lab, window, application)
    found = counts.loc[application]
    if answer == found["total_tokens"]:
        exercise.right(f"so many tokens of {application} are in the gateway's rows")
        return
    for column, what in {"prompt_tokens": "prompts", "completion_tokens": "answers"}.items():
        if answer == found[column]:
            exercise.wrong(f"`tokens` holds only those of {what}", "both are billed")
    _somebody_elses(exercise, "tokens", answer, counts["total_tokens"])


def runaway(lab: Lab, window: Window, applications: Sequence[str], runaway: str, growth: float) -> None:
    """Check exercise 4.3: the application whose calls grow, and by how much from its first call to its last."""
    exercise = Exercise(
        "4.3",
        "Find the runaway",
        (
            'look at one application after the other: rows[rows["application"] == chat]["prompt_tokens"]',
            "the prompts of the others stay as long as they were; divide the last of its prompts by the first",
            'runaway = agent; growth = its_calls["prompt_tokens"].iloc[-1] / its_calls["prompt_tokens"].iloc[0]',
        ),
    )
    exercise.filled(runaway=runaway, growth=growth)
    rows = lab.usage.rows(window)
    factors = {name: _growth(rows, name) for name in applications}
    culprit = max(factors, key=lambda name: factors[name])
    if not factors[culprit]:
        exercise.wrong("the gateway has booked nothing for these applications", "run the cells that make their calls")
    if not isinstance(runaway, str) or runaway not in factors:
        exercise.wrong(f"`runaway` is {runaway!r}", f"it is one of: {', '.join(factors)}")
    if runaway != culprit:
        why = f"its last prompt is {factors[runaway]:.1f} times as long as its first; another application's grew more"
        exercise.wrong(f"`runaway` is {runaway!r}", why)
    answer = exercise.as_number("growth", growth)
    if math.isclose(answer, 1 / factors[culprit], rel_tol=0.01):
        exercise.wrong("`growth` is below one", "divide the last by the first, not the first by the last")
    if not math.isclose(answer, factors[culprit], rel_tol=0.01):
        why = "take prompt tokens of its answered calls only: a rejected call has none"
        exercise.wrong(f"`growth` is {answer:.2f}, and that is not what the gateway's rows say", why)
    exercise.right(f"each call of {culprit} reads more than the one before")


def billable(lab: Lab, portal: Portal, window: Window, keys: Sequence[str], billable: Sequence[str]) -> None:
    """Check exercise 4.6: which of the portal's sums agree with the gateway's rows, on this portal, now.

    Args:
        lab: the lab.
        portal: an administrator's.
        window: of the lesson.
        keys: names of its keys at the gateway.
        billable: the learner's: some of `prompt`, `completion` and `total`.
    """
    exercise = Exercise(
        "4.6",
        "Compare with the portal's statistics",
        (
            "compare `said` and `sums` part by part: a ratio that is not 1 needs an explanation before a bill",
            "billable = [part for part in sums if said[part] == sums[part]]",
        ),
    )
    exercise.filled(billable=billable)
    if isinstance(billable, str) or not isinstance(billable, list | tuple | set):
        exercise.wrong(f"`billable` is a {type(billable).__name__}", 'it should be a list, e.g. ["total"]')
    if unknown := [one for one in billable if not isinstance(one, str) or one not in PARTS]:
        exercise.wrong(f"`billable` holds {unknown[0]!r}", f"there are: {', '.join(PARTS)}")
    told, booked = _portal_says(portal, window, keys), _gateway_says(lab, window, keys)
    for part in PARTS:
        saw = f"the portal says {told[part]:,} {part} tokens, the gateway's rows {booked[part]:,}"
        if part in billable and told[part] != booked[part]:
            exercise.wrong(f"`billable` holds {part!r}", saw)
        if part not in billable and told[part] == booked[part]:
            exercise.wrong(f"`billable` lacks {part!r}", saw)
    agree = [part for part in PARTS if told[part] == booked[part]]
    others = [f"{part} {told[part] / booked[part]:.3g} times" for part in PARTS if part not in agree and booked[part]]
    more = f"; it tells {' and '.join(others)}" if others else ""
    exercise.right(f"portal and gateway agree about {', '.join(agree) or 'nothing'}{more}")


def overspent(lab: Lab, window: Window, keys: Mapping[int, ApiKey], cap: float, overspent: Mapping[int, float]) -> None:
    """Check exercise 4.7: what the gateway has booked beyond the cap, with each number of callers.

    Args:
        lab: the lab.
        window: of the lesson; calls after it count as well.
        keys: one for each number of callers, with nothing else on it.
        cap: dollars that each may spend.
        overspent: the learner's dollars, by number of callers.
    """
    exercise = Exercise(
        "4.7",
        "Measure what slips through",
        (
            "`drills` holds an Overshoot for each number of callers: look at one, e.g. drills[16]",
            "its `spent` is what was served in all, and its `dollars` what lies beyond the cap",
            "overspent = {callers: one.dollars for callers, one in drills.items()}",
        ),
    )
    exercise.filled(overspent=overspent)
    if not isinstance(overspent, Mapping) or set(overspent) != set(keys):
        wanted = ", ".join(map(str, keys))
        exercise.wrong(f"`overspent` is not a dictionary with the keys {wanted}", f"it is {overspent!r}"[:120])
    for callers, key in keys.items():
        spent = sum(row.cost for row in lab.gateway.spend_rows(window.since, key=key))
        answer, beyond = exercise.as_number(f"overspent[{callers}]", overspent[callers]), max(0.0, spent - cap)
        if math.isclose(answer, beyond, abs_tol=1e-6):
            continue
        if math.isclose(answer, spent, abs_tol=1e-6):
            exercise.wrong(f"`overspent[{callers}]` is everything that was spent", "take off what the cap allows")
        exercise.wrong(
            f"`overspent[{callers}]` is {answer:.3f}", f"the gateway has booked {spent:.3f}, the cap is {cap:.3f}"
        )
    exercise.right("the gateway booked what the callers saw: caps are passed by what is on its way")


def _portal_says(portal: Portal, window: Window, keys: Sequence[str]) -> dict[str, int]:
    told = portal.statistics.usage(window.since.date(), keys=list(keys)).raw["totalTokens"]
    return {part: int(told[part]) for part in PARTS}


def _gateway_says(lab: Lab, window: Window, keys: Sequence[str]) -> dict[str, int]:
    # The portal counts until now, so calls after the window count here as well.
    rows = lab.usage.rows(usage.Window(window.since, max(window.until, datetime.now(UTC))))
    rows = rows[rows["key"].isin(keys)]
    return {part: int(rows[f"{part}_tokens"].sum()) for part in PARTS}


def _counts(exercise: Exercise, lab: Lab, window: Window, application: str) -> pd.DataFrame:
    """Return what the gateway's rows say about each application, now; refuse if this one has not called."""
    found = lab.usage.summary(window, by="application").set_index("application")
    if application not in found.index:
        exercise.wrong(f"the gateway has booked nothing for {application}", "run the cells that make its calls")
    return found


def _somebody_elses(exercise: Exercise, name: str, answer: float, everybody: pd.Series) -> None:
    """Tell a wrong count: that of another application, of everybody, or of nobody."""
    if answer == everybody.sum():
        exercise.wrong(f"`{name}` is everybody's", "one application was asked for")
    if whose := [str(one) for one, count in everybody.items() if count == answer]:
        exercise.wrong(f"`{name}` is that of {whose[0]}", "another application was asked for")
    exercise.wrong(f"`{name}` is {answer:,.0f}, and the gateway's rows say something else")


def _growth(rows: pd.DataFrame, application: str) -> float:
    mine = rows[(rows["application"] == application) & (rows["outcome"] == "answered")]["prompt_tokens"].dropna()
    return float(mine.iloc[-1]) / float(mine.iloc[0]) if len(mine) else 0.0
