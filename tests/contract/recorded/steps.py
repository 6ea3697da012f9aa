"""Do the steps of a recording again, and bring two answers to the same step into one form.

What differs by nature is brought into one form: ids, times, versions, addresses, hashes. What a control plane of
another release or another set of controllers writes is set aside, each for a reason that stands beside it.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

LOCAL_WORDS = re.compile(r" \(did you mean [^)]*\)| \(the local lab has no [^)]*\)")  # what the lab adds to a refusal
WRITTEN = (  # in text, in this order
    (LOCAL_WORDS, ""),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"), "UID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000)?"), "TIME"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000"), "TIME"),
    (re.compile(r'resourceVersion\\*"?: ?\\*"\d+\\*"'), "VERSION"),
    (re.compile(r"\b10\.\d+\.\d+\.\d+\b"), "ADDRESS"),
    (re.compile(r"(?:(?<=\s)|^)(\d+h)?(\d+m)?\d+s( \(x\d+ over (\d+m)?\d+s\))?(?=\s|$)|<unknown>"), "AGE"),
    (re.compile(r"(pod-template-hash=)\w+"), r"\1HASH"),
    (re.compile(r"\b(web2?|gpu|slots|p|v|ssa|d1)-[0-9b-df-hj-np-tv-z]{6,10}(-[0-9b-df-hj-np-tv-z]{5})?\b"), r"\1-HASH"),
    (re.compile(r"\b(grade-\d)-[0-9b-df-hj-np-tv-z]{5}\b"), r"\1-HASH"),
    (re.compile(r"\bg-[0-9b-df-hj-np-tv-z]{5}\b"), "g-HASH"),
    (re.compile(r"/\S*/?(LIVE|MERGED)(-\d+)?/"), r"\1/"),
)
OF_OTHERS = {  # objects that controllers outside the surface make in every namespace
    *("kube-root-ca.crt", "openshift-service-ca.crt", "kube-apiserver-legacy-service-account-token-tracking"),
}
CONTROLLERS = {"okcm", "kube-controller-manager", "kube-scheduler", "openshift-router", "manager"}
OF_CONTROLLERS = {"deployment.kubernetes.io/revision"}  # how far they are depends on their speed
BY_NATURE = {"uid", "resourceVersion", "time", "creationTimestamp", "deletionTimestamp", "continue", "clusterIP"}
BY_NATURE |= {"clusterIPs", "lastTransitionTime", "lastUpdateTime", "serverAddress", "serverRelativeURL", "generation"}
BY_NATURE |= {"remainingItemCount", "status.terminatingReplicas"}
SCHEMA_WORDS = "description"  # the lab serves tables without the descriptions of their columns


class Shell:
    """Runs one recorded command after the other against a cluster."""

    def __init__(self, kubeconfig: Path, api: Any, folder: Path, kubectl: str) -> None:
        self._kubeconfig, self._api, self._folder, self._kubectl = kubeconfig, api, folder, kubectl

    def run(self, command: list[str]) -> tuple[int, str, str]:
        """Return exit code, output and error output."""
        if command[0] == "curl":
            return 0, self._exchange(command[1:]), ""
        at = command.index("kubectl")
        argv = [*command[:at], self._kubectl, "--kubeconfig", str(self._kubeconfig), *command[at + 1 :]]
        done = subprocess.run(argv, cwd=self._folder, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def _exchange(self, arguments: list[str]) -> str:
        """Send what the recorded curl sent."""
        method, path, headers, content = "GET", "", {"user-agent": "curl/8", "accept": "*/*"}, None
        given = iter(arguments)
        for one in given:
            if one == "-X":
                method = next(given)
            elif one == "-H":
                name, _, value = next(given).partition(": ")
                headers[name.lower()] = value
            elif one == "--data-binary":
                text = next(given)
                content = (
                    '{"metadata":{"name":"big"},"data":{"a":"' + "x" * 1_100_000 + '"}}' if text == "big.json" else text
                )
            else:
                path = one
        if headers.pop("x-anonymous", None):
            headers["authorization"] = ""
        if "x-authorization" in headers:
            headers["authorization"] = headers.pop("x-authorization")
        if "authorization" in headers and not headers["authorization"]:
            with type(self._api)(self._kubeconfig, token="") as stranger:
                headers.pop("authorization")
                return stranger.request(method, path, headers=headers, content=content).text
        return self._api.request(method, path, headers=headers, content=content).text


def comparable(text: str) -> Any:
    """Return an answer in the form that is compared: of objects their fields, of anything else its lines."""
    for parse in (json.loads, _lines_of_json, _yaml):
        try:
            return _plain(parse(text))
        except (ValueError, yaml.YAMLError):
            continue
    lines = [" ".join(_written(line).split()) for line in text.splitlines()]
    return sorted(line for line in lines if line and not any(name in line for name in OF_OTHERS))


def _written(text: str) -> str:
    for pattern, put in WRITTEN:
        text = pattern.sub(put, text)
    return text


def _lines_of_json(text: str) -> list[Any]:
    """Read the lines of a watch; its bookmarks come when the server likes."""
    found = [json.loads(line) for line in text.splitlines()]
    if not found:
        raise ValueError("no lines")
    return [one for one in found if one["type"] != "BOOKMARK" or "annotations" in one["object"]["metadata"]]


def _yaml(text: str) -> Any:
    found = yaml.safe_load(text)
    if not isinstance(found, dict) or "kind" not in found:
        raise ValueError("no object")
    return found


def _plain(value: Any, path: str = "") -> Any:
    if isinstance(value, list):
        kept = [one for one in value if not _is_of_others(one)]
        return [_plain(one, path) for one in kept]
    if not isinstance(value, dict):
        return _written(value) if isinstance(value, str) else value
    found = {}
    for name, one in value.items():
        if name == "managedFields":
            found[name] = _owners(one)
        elif name == "status" and isinstance(one, dict) and value.get("kind") in ("Deployment", "StatefulSet"):
            continue  # compared where the controllers are tested; how far they are depends on their speed
        elif name == "lastProbeTime" and one is None:
            continue  # Go writes this null, the lab nothing
        elif name in BY_NATURE or f"{path}.{name}" in BY_NATURE:
            found[name] = "..."
        elif name not in OF_CONTROLLERS and not (name == SCHEMA_WORDS and "priority" in value):
            found[name] = _plain(one, name)
    for name in ("generation", "remainingItemCount", "annotations"):
        if found.get(name) in ("...", {}):
            del found[name]
    return found


def _owners(owners: list[dict]) -> list[Any]:
    told = [{**one, "time": ""} for one in owners if one["manager"] not in CONTROLLERS]
    return sorted((_plain(one) for one in told), key=lambda one: json.dumps(one, sort_keys=True))


def _is_of_others(one: Any) -> bool:
    if not isinstance(one, dict):
        return False
    row = one.get("object") if isinstance(one.get("object"), dict) else one
    metadata = row.get("metadata")
    return isinstance(metadata, dict) and metadata.get("name") in OF_OTHERS
