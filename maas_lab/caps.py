"""Caps: what may be spent per key, per user and per application, and how near each is to its cap.

LiteLLM keeps a counter of dollars per key and per user and looks at it before each call; an answer's cost is added when
the answer is complete. So a cap stops the next call, never one on its way: of 1, 4 and 16 callers, 0, 3 and 15 calls
were served after a key's cap was reached (`overshoot` measures it, `python -m benchmarks caps` for users and
applications, too). It does nothing about a soft cap without an alerting channel: the warning is `state`'s.

A change of a limit is in force at once, but makes LiteLLM read the spend from its database, which is up to ten seconds
behind, and keep to that for a minute: calls that are not booked yet are forgotten meanwhile. So a cap that is lowered
while calls run may be overspent by the calls of these ten seconds, too.

Which limit stops whom: `rpm_limit` and `tpm_limit` refuse (`RateLimited`) until the minute is over, whatever the calls
cost; a budget refuses (`BudgetExceeded`) until it is raised or renewed. LiteLLM 1.81.0 counts against `tpm_limit` no
prompt tokens that the model server had in its cache, though it bills them: a budget is the limit that counts all.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from maas_lab.cap_shares import Cap
from maas_lab.gateway import Gateway
from maas_lab.lab import Lab
from maas_lab.overshoot import Overshoot, overshoot
from maas_lab.rows import KeyInfo
from maas_lab.tables import Table

__all__ = ["Cap", "Overshoot", "overshoot", "state"]


def state(source: Gateway | Lab) -> Table[Cap]:
    """Return what live keys, users and applications have spent, and what they may spend.

    A soft cap of a key is that of `create_key`, `update_key` or `cap_application`; where there is none, `warning`
    begins at 80 % of the cap. An application's cap is the sum of its keys' caps and of what its deleted keys have
    spent: what the gateway enforces, however it was set. It has none as long as one of its keys has none.

    Args:
        source: the gateway, or the lab, whose gateway it is.

    Returns:
        Rows of `key`, then of `user`, then of `application`, each in the order of their names.
    """
    gateway = source.gateway if isinstance(source, Lab) else source
    now = datetime.now(UTC)
    listed = gateway.keys()
    live = [key for key in listed if key.expires is None or key.expires > now]
    # An expired key spends nothing any more, like a deleted one.
    gone = _unrotated([*gateway.keys(deleted=True), *(key for key in listed if key not in live)], listed)
    keys = [_cap("key", key.name, key.spend, key.soft_budget, key.max_budget) for key in live]
    users = [_cap("user", user.name, user.spend, None, user.max_budget) for user in gateway.users()]
    names = sorted({key.application for key in live if key.application})
    applications = [_application(name, live, gone) for name in names]
    return Table(Cap, [*sorted(keys, key=lambda cap: cap.name), *users, *applications])


def _application(name: str, live: Iterable[KeyInfo], gone: Iterable[KeyInfo]) -> Cap:
    before = sum(key.spend for key in gone if key.application == name)
    own = [key for key in live if key.application == name]
    caps, softs = ([_most(key, amount) for key in own] for amount in ("max_budget", "soft_budget"))
    sums = [before + sum(amounts) if None not in amounts else None for amounts in (softs, caps)]
    return _cap("application", name, before + sum(key.spend for key in own), *sums)


def _most(key: KeyInfo, amount: str) -> float | None:
    """Return a budget of a key; a blocked one spends no more than it has."""
    return key.spend if key.blocked else getattr(key, amount)


def _unrotated(gone: list[KeyInfo], listed: list[KeyInfo]) -> list[KeyInfo]:
    """Leave out keys that were rotated: their spend is part of their successor's.

    A rotation makes the new key before it deletes the old one, and gives it the same name.
    """

    def succeeded(old: KeyInfo) -> bool:
        later = (key for key in (*gone, *listed) if key.name == old.name and key.hash != old.hash)
        return any(key.created_at and old.created_at < key.created_at < old.deleted_at for key in later)

    return [key for key in gone if not (key.created_at and key.deleted_at and succeeded(key))]


def _cap(kind: str, name: str, spend: float, soft: float | None, cap: float | None) -> Cap:
    """Return a cap without the dust of adding floats."""
    return Cap.of(kind, name, *(None if amount is None else float(f"{amount:.12g}") for amount in (spend, soft, cap)))
