"""Write times and random endings as objects carry them."""

from __future__ import annotations

from datetime import UTC, datetime

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words by chance


def stamp(at: datetime) -> str:
    """Return a time as objects carry it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    """Return the present time as objects carry it."""
    return stamp(datetime.now(UTC))
