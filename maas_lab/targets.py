"""What the verbs of a cluster take: an object, its name, many of them, or a folder of manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# An object, or a name like `deployment/litellm`.
Target = Mapping[str, Any] | str
Targets = Target | Iterable[Target] | Path


def each(objects: Targets, namespace: str | None) -> list[Target]:
    """Return the single objects or names of what was given.

    Args:
        objects: as above; a `List` is unpacked, a folder is rendered.
        namespace: for all objects of a folder.
    """
    if isinstance(objects, Path):
        from maas_lab.manifests import render  # only here: the reader of manifests is not needed otherwise

        return render(objects, namespace)
    given = [objects] if isinstance(objects, Mapping | str) else list(objects)
    return [one for item in given for one in _unpacked(item)]


def _unpacked(item: Target) -> list[Target]:
    is_list = isinstance(item, Mapping) and item.get("kind") == "List" and isinstance(item.get("items"), list)
    return item["items"] if is_list else [item]
