"""Work out what a ResourceQuota shows in a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def amounts(*, limits: bool) -> Callable[[dict[str, Any]], str]:
    """Return a cell that shows what is used of what there is: of `limits.*`, or of everything else."""

    def cell(obj: dict[str, Any]) -> str:
        status = obj.get("status") or {}
        used = status.get("used") or {}
        hard = {name: most for name, most in (status.get("hard") or {}).items() if name.startswith("limits.") is limits}
        return ", ".join(f"{name}: {used.get(name, '0')}/{most}" for name, most in sorted(hard.items()))

    return cell
