"""Refuse wrong numbers in a container's environment, before its process starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maas_lab.errors import UsageError
from maas_lab.local.images import Sleep


def refuse_wrong(env: Mapping[str, str], names: Iterable[str], sleep: Sleep) -> None:
    """Raise a `UsageError` when one of the named variables is not a whole number above 0."""
    for name in names:
        if not env[name].isdecimal() or int(env[name]) == 0:
            raise UsageError(
                f"{name} is {env[name]!r}",
                "it takes a whole number above 0",
                f"correct {name} in the container's `env`",
            )
