"""The arithmetic of caps: how an application's is divided among its keys, and how near a spend is to its cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WARN_AT = 0.8  # of a cap that has no soft one; LiteLLM's own e-mails warn at the same part
CENT = 0.01


@dataclass(frozen=True)
class Cap:
    """What may be spent, and what is spent.

    Attributes:
        kind: `key`, `user` or `application`.
        name: of it.
        spend: dollars, some seconds behind the calls.
        soft: dollars, from which on there is a warning; None means none.
        cap: dollars, from which on every call is refused; None means no cap.
        state: `within`; `warning` when the soft cap is reached, or 80 % of the cap where there is no soft one;
            `reached` when the next call is refused.
    """

    kind: str
    name: str
    spend: float
    soft: float | None
    cap: float | None
    state: str

    @classmethod
    def of(cls, kind: str, name: str, spend: float, soft: float | None, cap: float | None) -> Cap:
        """Return a cap with its state."""
        return cls(kind, name, spend, soft, cap, state_of(spend, soft, cap))


def state_of(spend: float, soft: float | None, cap: float | None) -> str:
    """Return the `state` of a `Cap`; all amounts in dollars, None for no such cap."""
    if cap is not None and spend >= cap:
        return "reached"
    warn_at = soft if soft is not None else None if cap is None else WARN_AT * cap
    return "warning" if warn_at is not None and spend >= warn_at else "within"


def shares(total: float, spends: Sequence[float]) -> list[float]:
    """Divide an application's cap among its keys, so that together they can spend no more than that.

    What is left is divided evenly, on top of what each has spent. When nothing is left, each gets a part below what it
    has spent, in proportion, so that the sum is still the cap.

    Args:
        total: dollars, of all keys together.
        spends: dollars that each key has spent.

    Returns:
        The keys' own caps, in the order of `spends`; their sum is `total`, but for a key that has spent nothing of an
        application whose cap is reached: it gets a cent, because to LiteMaaS a budget of nothing means blocked.
    """
    spent = sum(spends)
    if total > spent:
        return [spend + (total - spent) / len(spends) for spend in spends]
    return [spend * (total / spent) if spend else CENT for spend in spends]


def whole_shares(total: int, count: int) -> list[int]:
    """Divide a number of requests or tokens per minute among keys, at least 1 for each."""
    each, over = divmod(total, count)
    return [max(1, each + (number < over)) for number in range(count)]
