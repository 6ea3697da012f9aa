"""What the checks of the challenge share: a ticket, the platform that it is about, and what no repair may cost."""

from __future__ import annotations

import math
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from maas_lab.challenge import building
from maas_lab.challenge.tickets import Application
from maas_lab.checks.exercise import Exercise
from maas_lab.errors import GatewayError, InvalidKey

if TYPE_CHECKING:
    from maas_lab.challenge.tickets import Offer, Plan
    from maas_lab.lab import Lab
    from maas_lab.rows import KeyInfo

MOST = 120  # characters of an answer that are shown again


class Repair:
    """One ticket, the exercise that closes it, and the platform that it is about, as long as the block runs."""

    def __init__(self, lab: Lab, ticket: int, hints: tuple[str, ...]) -> None:
        told = next(one for one in lab.challenge.tickets if one.number == ticket)
        self.exercise = Exercise(f"6.{ticket}", f"Ticket {ticket}: {told.topic}", hints)
        self.challenge, self.ticket = lab.challenge, ticket
        self.plan: Plan = self.challenge.plan
        self.platform: Lab = self.challenge.platform()
        self.wrong = self.exercise.wrong

    def __enter__(self) -> Repair:
        return self

    def __exit__(self, *error: object) -> None:
        self.platform.gateway.close()

    def offer(self, tier: str) -> Offer:
        """Return a line of the price list."""
        return next(one for one in self.challenge.offers if one.name == self.platform.model + tier)

    def must_match(self, name: str, answer: object, found: object, why: str) -> None:
        """Refuse an answer that is not what the platform showed; a closed ticket needs none any more."""
        if answer != found and not self.challenge.is_closed(self.ticket):
            if not isinstance(answer, type(found)):
                why = f"a {type(found).__name__} is asked for, not a {type(answer).__name__}"
            lost = "if you have repaired it before you looked, lab.challenge.plan still knows what it was"
            self.wrong(f"`{name}` is {shorten(repr(answer), MOST, placeholder=' …')}", f"{why}; {lost}")

    def must_be_served(self, application: Application) -> None:
        """Refuse a repair after which an application still gets no answer."""
        try:
            building.call(self.platform, application, max_tokens=1)
        except GatewayError as error:
            self.wrong(f"{application.name} still gets no answer", f"{type(error).__name__}: {error.what}")

    def must_keep_its_key(self, application: Application) -> KeyInfo:
        """Return the key that an application was given, which must be there and its own still."""
        given = self.challenge.keys[application.name]
        try:
            known = self.platform.gateway.key_info(given)
        except InvalidKey:
            why = "a new one begins without history: what was spent before counts no more, and old programs fail"
            self.wrong(f"the key of {application.name} is gone", why)
        if building.key_of(self.platform, application).hash != given:
            why = "then what it has spent before, its cap and its team are those of somebody else"
            self.wrong(f"{application.name} calls with another key now", why)
        return known

    def must_be_listed(self, tier: str) -> Any:
        """Return the row of the gateway's catalogue for a line of the price list, which must be as that says."""
        wanted = self.offer(tier)
        rows = [one for one in self.platform.gateway.models() if one.name == wanted.name]
        if len(rows) != 1:
            self.wrong(f"the gateway offers {len(rows)} models with the name {wanted.name}", "it should be one")
        [row] = rows
        if row.served != wanted.served or row.api_base.rstrip("/") != building.serving(self.platform):
            self.wrong(f"{wanted.name} leads to another model, or to another address", "compare it with the other rows")
        costs = [(row.input_cost, wanted.input_cost), (row.output_cost, wanted.output_cost)]
        if not all(math.isclose(*pair, rel_tol=1e-6) for pair in costs):
            self.wrong(f"{wanted.name} has another price than the list", "lab.challenge.offers says what was agreed")
        return row

    def right(self, found: str, sentence: str) -> None:
        """Close the ticket."""
        self.challenge.close(self.ticket, found, self.exercise.shown)
        self.exercise.right(sentence)
