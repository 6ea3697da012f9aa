"""Begin, retry and finish operations, and decide when an Application syncs by itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from maas_lab.local.gitops import spec
from maas_lab.local.gitops.comparison import OUT_OF_SYNC, Comparison, Pair
from maas_lab.local.gitops.syncing import ERROR, FAILED, RUNNING, SUCCEEDED, TERMINATING, Syncing
from maas_lab.local.kube.controllers.common import read_stamp
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.store import Object
from maas_lab.local.kube.texts import stamp

DEFAULT_RETRY = {"limit": 5}
WAVE_S = 0.2  # after a wave has changed something; the others' controllers need less to see it
# Healing again soon after healing waits longer each time: somebody else writes the same field.
HEAL = spec.Retry(limit=-1, first_s=2.0, factor=3, longest_s=18.0)
HEAL_FORGOTTEN_S = 60.0


class Advance(NamedTuple):
    """What became of an Application's operation.

    Attributes:
        state: the `operationState`, None where there was never one.
        operation: what is left to do, None if nothing.
        pause_s: seconds until the next look, None where only a change matters.
        finished: it has ended just now.
        error: why it does not sync by itself.
    """

    state: Object | None
    operation: Object | None
    pause_s: float | None = None
    finished: bool = False
    error: str = ""


Compare = Callable[[str], Comparison | None]


class Operations:
    """Runs operations, one step at a time; all that must be kept is in the Application's status.

    Args:
        objects: the objects of the cluster.
        clock: tells the time.
    """

    def __init__(self, objects: Objects, clock: Callable[[], datetime]) -> None:
        self._objects, self._clock = objects, clock

    def advance(self, app: Object, comparison: Comparison, compare: Compare) -> Advance:
        """Take an operation one step further, or begin one that is asked for or due.

        Args:
            app: the Application.
            comparison: with the revision that it follows.
            compare: compares with another revision; None while that is being read.
        """
        state, operation = (app.get("status") or {}).get("operationState"), app.get("operation")
        error, pause_s = "", None
        if not is_running(state):
            if not operation:
                operation, error, pause_s = self._due(app, state, comparison)
            if not operation:
                return Advance(state, None, pause_s, error=error)
            state = {"operation": operation, "phase": RUNNING, "startedAt": self._now(), "message": ""}
        return self._run(app, copy.deepcopy(state), compare)

    def _run(self, app: Object, state: Object, compare: Compare) -> Advance:
        sync = state["operation"].get("sync")
        if state["phase"] == TERMINATING:
            return self._finish(state, FAILED, "Operation terminated", final=True)
        if sync is None:
            return self._finish(state, ERROR, "Invalid operation request: no operation specified", final=True)
        if wrong := spec.unsupported_sync(sync):
            return self._finish(state, ERROR, wrong, final=True)
        if "finishedAt" in state:
            if (left := self._left_s(state)) > 0:
                return Advance(state, state["operation"], left)
            self._begin_again(app, state)
        comparison = compare(sync.get("revision", ""))
        if comparison is None:
            return Advance(state, state["operation"])
        errors = [message for type_, message in comparison.conditions if type_.endswith("Error")]
        if errors:
            return self._finish(state, ERROR, f"ComparisonError: {errors[0]}")
        return self._step(app, state, comparison)

    def _step(self, app: Object, state: Object, comparison: Comparison) -> Advance:
        sync, source = state["operation"]["sync"], app["spec"]["source"]
        options = spec.sync_options(app["spec"], sync if "syncOptions" in sync else None)
        before = state.get("syncResult")
        step = Syncing(self._objects, app, sync, options).step(comparison, before and before["resources"])
        revision = comparison.answer.revision
        state["syncResult"] = {"revision": revision, "source": source, "resources": step.results}
        if step.phase != RUNNING:
            return self._finish(state, step.phase, step.message)
        state["message"] = step.message
        return Advance(state, state["operation"], WAVE_S if step.changed else None)

    def _finish(self, state: Object, phase: str, message: str, *, final: bool = False) -> Advance:
        count = state.get("retryCount", 0)
        limit = spec.retry(state["operation"].get("retry")).limit
        state["finishedAt"] = self._now()
        if phase != SUCCEEDED and not final and (limit < 0 or count < limit):
            state["retryCount"] = count + 1
            at = self._clock() + timedelta(seconds=self._left_s(state))
            state["message"] = f"{message}. Retrying attempt #{count + 1} at {_kitchen(at)}."
            return Advance(state, state["operation"], self._left_s(state))
        state |= {"phase": phase, "message": f"{message} (retried {count} times)." if count else message}
        return Advance(state, None, finished=True)

    def _left_s(self, state: Object) -> float:
        """Return the seconds until a failed operation is tried again."""
        pause_s = spec.retry(state["operation"].get("retry")).pause_s(state["retryCount"] - 1)
        return pause_s - (self._clock() - read_stamp(state["finishedAt"])).total_seconds()

    def _begin_again(self, app: Object, state: Object) -> None:
        """Forget what was done; with `refresh` the newest revision is tried instead of the one that failed."""
        for name in ("finishedAt", "syncResult"):
            state.pop(name, None)
        newest = ((app.get("status") or {}).get("sync") or {}).get("revision")
        if (state["operation"].get("retry") or {}).get("refresh") and newest:
            state["operation"]["sync"]["revision"] = newest

    def _due(
        self, app: Object, state: Object | None, comparison: Comparison
    ) -> tuple[Object | None, str, float | None]:
        """Return the operation by which an Application syncs by itself, or why it must not, or when to look again."""
        policy = spec.automated(app)
        changed = [pair for pair in comparison.pairs if pair.differs and not pair.is_going]
        if policy is None or comparison.sync != OUT_OF_SYNC or not changed:
            return None, "", None
        prunes, revision = bool(policy.get("prune")), comparison.answer.revision
        if not prunes and all(pair.wanted is None for pair in changed):
            return None, "", None
        operation = _automatic(app, revision, prune=prunes)
        if _attempted(app, state, revision):
            if state["phase"] != SUCCEEDED:
                return None, f"Failed last sync attempt to {revision}: {state['message']}", None
            if not policy.get("selfHeal"):
                return None, "", None
            if (left := self._heals_in_s(state)) > 0:
                return None, "", left
            operation["sync"] |= {
                "autoHealAttemptsCount": self._heals(state) + 1,
                "resources": [_named(pair) for pair in changed],
            }
        if prunes and not policy.get("allowEmpty") and all(pair.wanted is None for pair in comparison.pairs):
            return None, f"Skipping sync attempt to {revision}: auto-sync will wipe out all resources", None
        return operation, "", None

    def _heals(self, state: Object) -> int:
        ended_s = (self._clock() - read_stamp(state["finishedAt"])).total_seconds()
        return 0 if ended_s > HEAL_FORGOTTEN_S else state["operation"]["sync"].get("autoHealAttemptsCount", 0)

    def _heals_in_s(self, state: Object) -> float:
        """Return the seconds for which healing must wait; the first time none."""
        ended_s = (self._clock() - read_stamp(state["finishedAt"])).total_seconds()
        count = self._heals(state)
        return HEAL.pause_s(count - 1) - ended_s if count else 0.0

    def _now(self) -> str:
        return stamp(self._clock())


def is_running(state: Object | None) -> bool:
    """Tell whether an operation is under way."""
    return bool(state and state["phase"] in (RUNNING, TERMINATING))


def is_recorded(state: Object) -> bool:
    """Tell whether a finished operation belongs in the history: it was whole and went well."""
    sync = state["operation"].get("sync") or {}
    return state["phase"] == SUCCEEDED and not sync.get("resources") and not sync.get("dryRun")


def _automatic(app: Object, revision: str, *, prune: bool) -> Object:
    policy = app["spec"]["syncPolicy"]
    sync = {"revision": revision}
    if prune:
        sync["prune"] = True
    if policy.get("syncOptions"):
        sync["syncOptions"] = policy["syncOptions"]
    return {"initiatedBy": {"automated": True}, "retry": policy.get("retry") or DEFAULT_RETRY, "sync": sync}


def _attempted(app: Object, state: Object | None, revision: str) -> bool:
    """Tell whether the last operation was about this very revision and source."""
    if not state or not (state["operation"].get("sync")):
        return False
    result = state.get("syncResult") or {}
    return result.get("revision") == revision and result.get("source") == app["spec"]["source"]


def _named(pair: Pair) -> Object:
    one = pair.id
    named = {"group": one.group, "kind": one.kind, "name": one.name, "namespace": one.namespace}
    return {name: value for name, value in named.items() if value}


def _kitchen(at: datetime) -> str:
    return at.strftime("%I:%M%p").lstrip("0")
