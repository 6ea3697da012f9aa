"""Every labelled step that a real control plane was recorded with, done again on the local one.

Compared: exit codes, messages, reasons, statuses, defaults, managedFields, tables. What does not agree stands in
recorded/differences.json with its reason; a difference that is not listed fails, and so does one that is no more.
"""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from maas_lab import wait
from tests.contract.recorded import steps

HERE = Path(__file__).parent
CAPTURES = HERE.parent / "captures" / "kubernetes"
LISTED = json.loads((HERE / "recorded" / "differences.json").read_text(encoding="utf-8"))
STEPS = [json.loads(line) for line in (CAPTURES / "commands.jsonl").read_text(encoding="utf-8").splitlines()]
LONGEST = 19_000  # characters of an output; longer ones were cut off when they were recorded
CORRECTED = ("status", "scale-put")  # what these write, a controller corrects, and is its manager from then on
CALM = 3  # looks without a change that mean that the controllers have come to rest


class Lately:
    """Whether anything has been written lately."""

    def __init__(self, api):
        self._api, self._seen = api, []

    def is_calm(self):
        listed = self._api.get("/api/v1/namespaces", params={"limit": "1"}).json()
        self._seen.append(listed["metadata"]["resourceVersion"])
        return len(self._seen) > CALM and len(set(self._seen[-CALM:])) == 1


def differing(step, got):
    """Return in what an answer differs from the recorded one."""
    found = []
    for name, answer in zip(("rc", "stdout", "stderr"), got, strict=True):
        if name == "rc" and step[name] != answer:
            found.append(f"exit code {answer} instead of {step[name]}")
        elif name != "rc" and len(step[name]) < LONGEST:
            want, have = steps.comparable(step[name]), steps.comparable(answer)
            if want != have:
                found.append(f"{name}:\n{_short(have, want)}")
    return found


def _short(have, want):
    """Return the first places where two documents differ."""
    places = []

    def walk(a, b, path):
        if isinstance(a, dict) and isinstance(b, dict):
            for name in sorted(a.keys() | b.keys()):
                walk(a.get(name, "nothing"), b.get(name, "nothing"), f"{path}.{name}")
        elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            for index, (one, other) in enumerate(zip(a, b, strict=True)):
                walk(one, other, f"{path}[{index}]")
        elif isinstance(a, list) and isinstance(b, list) and all(isinstance(one, str) for one in (*a, *b)):
            more, less = Counter(a) - Counter(b), Counter(b) - Counter(a)
            places.append(f"  {path}: more {[*more.elements()]}\n     recorded: more {[*less.elements()]}")
        elif a != b:
            places.append(f"  {path}: {str(a)[:300]}\n     recorded: {str(b)[:300]}")

    walk(have, want, "")
    return "\n".join(places[:8])


@pytest.fixture
def api(own_control_plane):
    with own_control_plane.api() as client:
        yield client


def test_the_recorded_steps_are_answered_as_they_were(own_control_plane, api):
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    shell = steps.Shell(own_control_plane.kubeconfig, api, CAPTURES, kubectl)
    differ = {}
    for step in STEPS:
        found = differing(step, shell.run(step["command"]))
        if found:
            differ[f"{step['scenario']}/{step['step']}"] = "\n".join(found)
        if step["scenario"] in ("workloads", "delete") or step["step"] in CORRECTED:
            calm = Lately(api)
            wait.until(calm.is_calm, what="the controllers to come to rest", timeout=20, every=0.05)
    unlisted = [f"{name}\n{told}" for name, told in differ.items() if name not in LISTED]
    assert not unlisted, "\n\n".join(unlisted)
    stale = [name for name, why in LISTED.items() if name not in differ and not why.startswith("Timing:")]
    assert not stale, f"listed, but as recorded: {stale}"
