"""Match policy rules: whether one allows a request, and whether some cover others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

Rule = dict[str, Any]
MOST_PARTS = 10_000  # single rights into which one rule is taken apart before nobody may give it
_DIMENSIONS = ("apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs")
_SHOWN = {
    "apiGroups": "APIGroups",
    "resources": "Resources",
    "nonResourceURLs": "NonResourceURLs",
    "resourceNames": "ResourceNames",
    "verbs": "Verbs",
}


@dataclass(frozen=True)
class Asked:
    """What somebody wants to do: something with objects, or with a path that is no object.

    Attributes:
        part: a subresource, e.g. `log`.
        namespace: empty in the whole cluster.
        name: empty where no single object is meant.
        path: e.g. `/version`; empty where objects are meant.
    """

    verb: str
    group: str = ""
    resource: str = ""
    part: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def whole(self) -> str:
        """Return the resource with its part, e.g. `pods/log`."""
        return f"{self.resource}/{self.part}" if self.part else self.resource


def allows(rule: Rule, asked: Asked) -> bool:
    """Tell whether a rule allows a request."""
    if not _named(rule, "verbs", asked.verb):
        return False
    if asked.path:
        return any(_leads_to(pattern, asked.path) for pattern in _values(rule, "nonResourceURLs"))
    names = _values(rule, "resourceNames")
    return (
        _named(rule, "apiGroups", asked.group)
        and _is_resource(_values(rule, "resources"), asked.whole)
        and (not names or asked.name in names)
    )


def missing(had: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return what the rules that somebody has do not cover of others, in parts with the verbs of each together."""
    owned = list(had)
    left: dict[str, Rule] = {}
    for rule in wanted:
        if any(_covers(one, rule) for one in owned):
            continue
        parts = list(islice(_parts(rule), MOST_PARTS + 1))
        for part in [rule] if len(parts) > MOST_PARTS else parts:
            if not any(_covers(one, part) for one in owned):
                _note(left, part)
    return list(left.values())


def shown(rule: Rule) -> str:
    """Write a rule as refusals show it."""
    told = [f"{name}:{quoted(_values(rule, key))}" for key, name in _SHOWN.items() if _values(rule, key)]
    return "{" + ", ".join(told) + "}"


def quoted(texts: Iterable[str]) -> str:
    """Write texts as Go prints a list of them."""
    return "[" + " ".join(json.dumps(one, ensure_ascii=False) for one in texts) + "]"


def _values(rule: Rule, key: str) -> list[str]:
    return rule.get(key) or []


def _named(rule: Rule, key: str, value: str) -> bool:
    values = _values(rule, key)
    return "*" in values or value in values


def _is_resource(resources: list[str], whole: str) -> bool:
    if "*" in resources or whole in resources:
        return True
    _, slash, part = whole.partition("/")
    return bool(slash) and f"*/{part}" in resources


def _leads_to(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _covers(owner: Rule, rule: Rule) -> bool:
    """Tell whether one rule gives everything that another one gives."""
    names, owned = _values(rule, "resourceNames"), _values(owner, "resourceNames")
    return (
        all(_named(owner, "verbs", one) for one in _values(rule, "verbs"))
        and all(_named(owner, "apiGroups", one) for one in _values(rule, "apiGroups"))
        and all(_is_resource(_values(owner, "resources"), one) for one in _values(rule, "resources"))
        and all(_is_path(owner, one) for one in _values(rule, "nonResourceURLs"))
        and (not owned or (bool(names) and set(names) <= set(owned)))
    )


def _is_path(owner: Rule, path: str) -> bool:
    return any(_leads_to(pattern, path) for pattern in _values(owner, "nonResourceURLs"))


def _parts(rule: Rule) -> Iterator[Rule]:
    """Take a rule apart into rules for one verb on one kind of objects, one object or one path."""
    keys = [key for key in _DIMENSIONS if _values(rule, key)]
    for values in product(*(dict.fromkeys(_values(rule, key)) for key in keys)):
        yield {key: [value] for key, value in zip(keys, values, strict=True)}


def _note(left: dict[str, Rule], part: Rule) -> None:
    """Add a missing right to those with the same objects."""
    about = json.dumps([part.get(key) for key in _DIMENSIONS if key != "verbs"])
    known = left.setdefault(about, {**part, "verbs": []})
    known["verbs"] += [one for one in _values(part, "verbs") if one not in known["verbs"]]
