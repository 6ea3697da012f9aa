"""Select objects by labels and fields, in the syntax of `kubectl -l` and `--field-selector`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from maas_lab.local.kube import cells
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import bad_request

Test = Callable[[dict[str, Any]], bool]
TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
NOT_IN = "notin"  # codespell:ignore notin
COMMON = ("metadata.name", "metadata.namespace")
FIELDS = {
    "Pod": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
    "Service": ("spec.clusterIP", "spec.type"),
    "ReplicaSet": ("status.replicas",),
}


class Labels:
    """A label selector as a test of labels.

    Args:
        text: such as `app=web,tier in (a, b),!old`.

    Raises:
        ApiError: 400, the text is not a selector.
    """

    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        self._tests: list[Callable[[dict[str, str]], bool]] = []
        while self._tokens:
            self._tests.append(self._requirement())
            if self._tokens and self._take(",") and not self._tokens:
                raise _unparsable("", "identifier after ','")

    def __call__(self, labels: dict[str, str]) -> bool:
        """Tell whether labels fit."""
        return all(test(labels) for test in self._tests)

    def _requirement(self) -> Callable[[dict[str, str]], bool]:
        if self._peek() == "!":
            self._tokens.pop(0)
            absent = self._word()
            return lambda labels: absent not in labels
        key, sign = self._word(), self._peek()
        if sign in ("", ","):
            return lambda labels: key in labels
        if sign not in ("=", "==", "!=", "in", NOT_IN, "<", ">"):
            raise _unparsable(sign, f"in, {NOT_IN}, =, ==, !=, gt, lt")
        self._tokens.pop(0)
        if sign in ("<", ">"):
            return _compare(key, sign, self._word())
        values = self._values() if sign in ("in", NOT_IN) else {self._word(empty=True)}
        if sign in ("!=", NOT_IN):
            return lambda labels: labels.get(key) not in values
        return lambda labels: key in labels and labels[key] in values

    def _values(self) -> set[str]:
        self._take("(")
        values = {self._word(empty=True)}
        while self._peek() == ",":
            self._tokens.pop(0)
            values.add(self._word(empty=True))
        self._take(")")
        return values

    def _peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self, expected: str) -> bool:
        if self._peek() != expected:
            raise _unparsable(self._peek(), f"'{expected}'")
        self._tokens.pop(0)
        return True

    def _word(self, *, empty: bool = False) -> str:
        token = self._peek()
        if empty and token in ("", ",", ")"):
            return ""
        if not token or re.fullmatch(r"[=!(),<>]+", token):
            raise _unparsable(token, "identifier")
        return self._tokens.pop(0)


def _compare(key: str, sign: str, bound: str) -> Callable[[dict[str, str]], bool]:
    def fits(labels: dict[str, str]) -> bool:
        try:
            value, limit = int(labels[key]), int(bound)
        except (KeyError, ValueError):
            return False
        return value < limit if sign == "<" else value > limit

    return fits


def _unparsable(found: str, expected: str) -> Exception:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


def field(obj: dict[str, Any], path: str) -> str:
    """Return the value at a path as selectors compare it; "" where there is none."""
    value = cells.value(obj, path)
    if value is None and path in ("spec.unschedulable", "spec.hostNetwork"):
        return "false"
    if isinstance(value, bool):
        return str(value).lower()
    if path == "source" and isinstance(value, dict):
        return str(value.get("component", ""))
    return "" if value is None else str(value)


def fields(kind: Kind, text: str) -> Test:
    """Return a test of objects for a field selector.

    Raises:
        ApiError: 400, the text is not a selector or names a field that cannot be selected by.
    """
    wanted = []
    for term in filter(None, text.split(",")):
        parts = re.fullmatch(r"\s*([^!=\s]+)\s*(!=|==|=)\s*(.*?)\s*", term)
        if parts is None:
            raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
        path, sign, value = parts.groups()
        allowed = COMMON + FIELDS.get(kind.kind, ()) if not kind.custom else COMMON
        if path not in allowed:
            known = "".join(f', "{one}"' for one in allowed)[2:]
            if kind.custom or kind.group:
                raise bad_request(f'"{path}" is not a known field selector: only {known}')
            raise bad_request(f"field label not supported: {path}; only {known}")
        wanted.append((path, sign == "!=", value))
    return lambda obj: all((field(obj, path) == value) != differs for path, differs, value in wanted)


def selector(kind: Kind, labels: str, field_selector: str) -> Test:
    """Return a test of objects for both selectors of a request."""
    by_labels, by_fields = Labels(labels), fields(kind, field_selector)
    return lambda obj: by_labels(obj["metadata"].get("labels") or {}) and by_fields(obj)
