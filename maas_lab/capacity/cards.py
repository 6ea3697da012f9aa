"""Does a model fit on a card, with so many users at once?"""

from __future__ import annotations

from dataclasses import dataclass

from maas_lab.capacity.models import Model, footprint, kv_cache, precision_of
from maas_lab.capacity.numbers import positive, whole
from maas_lab.errors import UsageError

GB = 10**9  # bytes, of cards too
USED = 0.9  # share of the card that the server takes: vLLM's own default for --gpu-memory-utilization
RUNTIME = 1_500_000_000  # bytes for the program, its graphs and what it computes with: an assumption


@dataclass(frozen=True)
class Fit:
    """What fills a card. True where it fits: `if capacity.fits(...):`. Sizes are bytes.

    Attributes:
        model: which one.
        precision: of its weights.
        card: all of the card's memory.
        users: calls at once.
        context: tokens of each, prompt and answer together.
        weights: of the model.
        cache: what the calls need for their tokens (KV cache).
        runtime: for the program, an assumption.
        reserved: what the server leaves to others.
    """

    model: Model
    precision: str
    card: int
    users: int
    context: int
    weights: int
    cache: int
    runtime: int
    reserved: int

    @property
    def free(self) -> int:
        """What is left over, in bytes; negative when it is missing."""
        return self.card - self.weights - self.cache - self.runtime - self.reserved

    @property
    def tokens_max(self) -> int:
        """Tokens there is room for, of all calls together."""
        return max(0, (self.free + self.cache) // kv_cache(self.model, 1))

    @property
    def users_max(self) -> int:
        """Calls of `context` tokens there is room for."""
        return self.tokens_max // self.context

    @property
    def card_gb(self) -> float:
        """The card's memory in GB of 1e9 bytes."""
        return self.card / GB

    def __bool__(self) -> bool:
        return self.free >= 0

    def __repr__(self) -> str:
        weights, cache, left = (f"{size / GB:,.1f} GB" for size in (self.weights, self.cache, abs(self.free)))
        calls = f"{self.users} {'call' if self.users == 1 else 'calls'} of {self.context:,} tokens"
        told = f"weights {weights}, {calls} {cache}, {left} {'free' if self else 'missing'}"
        verb = "fits" if self else "does not fit"
        return f"{self.model.name} {self.precision} {verb} {self.card_gb:g} GB: {told}; room for {self.users_max} calls"


def fits(model: Model, precision: str, card_gb: float, users: int = 1, context: int = 4096) -> Fit:
    """Return whether a model fits on a card with so many users at once, and what fills the card.

    weights + users x context x memory per token <= 0.9 x card - 1.5 GB. It is the worst case: every call is as long as
    it may be. vLLM begins with fewer tokens, and lets calls wait when the cache is full.

    Args:
        model: e.g. `capacity.GRANITE_3_1_8B`.
        precision: one of `capacity.PRECISIONS`.
        card_gb: the card's memory in GB of 1e9 bytes, e.g. 24 for an L4.
        users: calls at once.
        context: tokens of each, prompt and answer together.

    Raises:
        UsageError: there is no such precision, a number is not possible, or the model takes no such long calls.
    """
    weights = footprint(model, precision)
    card, users, context = _bytes(card_gb), whole("users", users), _context(model, context)
    return Fit(
        model=model,
        precision=precision_of(precision).name,
        card=card,
        users=users,
        context=context,
        weights=weights,
        cache=kv_cache(model, users * context),
        runtime=RUNTIME,
        reserved=card - round(USED * card),
    )


def _bytes(card_gb: float) -> int:
    return round(positive("card_gb", card_gb, most=1e6) * GB)


def _context(model: Model, context: int) -> int:
    if whole("context", context) > model.context:
        hint = f"a context of at most {model.context:,} tokens"
        raise UsageError(f"{model.name} takes no calls of {context:,} tokens", hint=hint)
    return int(context)
