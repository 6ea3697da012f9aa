"""Who calls the platform of the challenge, what it offers, and what people write when it breaks. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from maas_lab.amounts import dollars

GATEWAY, DOOR = "litellm", "models"  # two Routes and their Services: the product's own name, and the friendly one
SETTING, OLD, NEW = "PROXY_BATCH_WRITE_AT", "2", "1"  # seconds until a call is booked: Friday's change
NIGHT, TRIAL = "-night", "-trial"
TIERS = {"": 1.0, NIGHT: 0.5, TRIAL: 0.1}  # what ends the name of an offer, and its part of the full price

_LABELS = ("litelm", "lite-llm", "litellm-gw", "llm-gateway", "ai-gateway", "litellm-v2")
_ALIASES = ("-nights", "-nightly", "-at-night", "-overnight", "-night-offer", "-nighttime")


@dataclass(frozen=True)
class Application:
    """A program that calls the gateway with a key of its own.

    Attributes:
        name: as its key's label says.
        team: who pays for it.
        tier: which offer it asks for, one of `TIERS`.
        route: the Route whose address it was given.
    """

    name: str
    team: str
    tier: str = ""
    route: str = GATEWAY

    @property
    def secret(self) -> str:
        """The name of the Secret that holds its key."""
        return f"app-{self.name.lower().replace(' ', '-')}"


HELP_DESK = Application("Help desk", "Support", route=DOOR)
REPORT = Application("Nightly report", "Finance", NIGHT)
TRAINEES = Application("Trainee room", "Training", TRIAL)
TRANSLATION = Application("Translation desk", "Sales")
AGENTS = (
    Application("Research agent", "Research"),
    Application("Review bot", "Build"),
    Application("Mail sorter", "HR"),
)
APPLICATIONS = (HELP_DESK, REPORT, TRAINEES, TRANSLATION, *AGENTS)


@dataclass(frozen=True)
class Plan:
    """What is drawn anew with each start, so that a colleague's answers fit only their own platform.

    Attributes:
        label: what the Service looks for, and no pod has.
        port: where the readiness probe asks, and nobody listens.
        alias: what ends the name under which an offer stands in the catalogue.
        runaway: which of the agents does not stop.
    """

    label: str
    port: int
    alias: str
    runaway: Application

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Return the plan of a seed; the same one every time."""
        draw = random.Random(seed)
        return cls(draw.choice(_LABELS), draw.randrange(4001, 4100), draw.choice(_ALIASES), draw.choice(AGENTS))

    @property
    def witness(self) -> Application:
        """An agent that has done nothing wrong."""
        return next(one for one in AGENTS if one != self.runaway)


@dataclass(frozen=True)
class Offer:
    """A line of the price list, as the organisation keeps it in Git.

    Attributes:
        name: what consumers ask for.
        served: the model behind it.
        input_cost: dollars per prompt token.
        output_cost: dollars per answered token.
    """

    name: str
    served: str
    input_cost: float
    output_cost: float


def offers(model: str, input_cost: float, output_cost: float) -> list[Offer]:
    """Return the price list: one model, offered at three prices.

    Args:
        model: its name.
        input_cost: dollars per prompt token, the full price.
        output_cost: dollars per answered token, likewise.
    """
    # Rounded, so that it reads as a price and survives being written down.
    return [
        Offer(model + tier, model, float(f"{input_cost * part:.6g}"), float(f"{output_cost * part:.6g}"))
        for tier, part in TIERS.items()
    ]


@dataclass(frozen=True)
class Ticket:
    """What somebody has written to you.

    Attributes:
        number: of the ticket, and of its exercise after the 6.
        sender: who wrote it.
        says: their own words; what they see, and not why.
        topic: in three words, for the post-mortem.
    """

    number: int
    sender: str
    says: str
    topic: str = field(repr=False)


# Who writes, what they say, and in a few words what it is about.
_TOLD = (
    (
        f"{HELP_DESK.team}, {HELP_DESK.name}",
        f"Our program calls the address that begins with {DOOR}-. Since this morning it gets HTTP 503 and a page "
        "instead of an answer. Others say that the model works.",
        "a page instead of an answer",
    ),
    (
        "Finance, accountant",
        f"You promised us that calls are booked every second: that was Friday's change, {SETTING}={NEW}. You said that "
        f"it is applied. But they are still booked every {OLD} seconds.",
        "a change that does not arrive",
    ),
    (
        f"{REPORT.team}, {REPORT.name}",
        f"For months our job has asked for {{model}}{NIGHT}, the cheap offer. Tonight it gets HTTP 400. We have "
        "changed nothing.",
        "HTTP 400 for the cheap offer",
    ),
    (
        f"{TRAINEES.team}, {TRAINEES.name}",
        f"HTTP 401 for {{model}}{TRIAL}, sometimes 429. We have compared our key three times: it is the right one. "
        "Please reset whatever needs to be reset.",
        "a right key that is refused",
    ),
    (
        f"{TRANSLATION.team}, {TRANSLATION.name}",
        "All our calls are refused since ten o'clock, and customers wait. Finance has agreed to {agreed} in all, with "
        "what is spent already; not a cent more.",
        "every call is refused",
    ),
    (
        "Management",
        "The spend of the platform rises by the second. Whoever it is: stop it, now, and nobody else. The owner is "
        "away until Thursday, and will want to go on with the same key.",
        "the spend rises by the second",
    ),
)


def tickets(model: str, approved: float) -> list[Ticket]:
    """Return the six tickets.

    Args:
        model: the platform's.
        approved: dollars that finance has agreed to, for the translation desk.
    """
    filled = {"model": model, "agreed": dollars(approved)}
    return [Ticket(number, who, says.format(**filled), topic) for number, (who, says, topic) in enumerate(_TOLD, 1)]
