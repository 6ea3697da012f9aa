"""Take an operation one step further: check everything first, then apply a wave, and wait until it is well."""

from __future__ import annotations

from dataclasses import dataclass

from maas_lab.local.gitops import differences, health, identity
from maas_lab.local.gitops.comparison import Comparison, Pair
from maas_lab.local.gitops.identity import SYNC_OPTIONS, Id
from maas_lab.local.gitops.tasks import Task, tasks
from maas_lab.local.kube import deletion
from maas_lab.local.kube.lifecycle import NAMESPACE, Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import Object

RUNNING, SUCCEEDED, FAILED, ERROR, TERMINATING = "Running", "Succeeded", "Failed", "Error", "Terminating"
APPLIED, SYNC_FAILED, PRUNED, PRUNE_SKIPPED = "Synced", "SyncFailed", "Pruned", "PruneSkipped"
DONE = "successfully synced (all tasks run)"
NOT_WELL = "one or more synchronization tasks completed unsuccessfully"


@dataclass(frozen=True)
class Step:
    """What became of an operation.

    Attributes:
        phase: `Running`, `Succeeded` or `Failed`.
        results: one for each object that was worked on.
        changed: whether objects were changed, which takes a moment to be seen.
    """

    phase: str
    message: str
    results: list[Object]
    changed: bool = False


class Syncing:
    """Brings an Application's objects to what Git says.

    Args:
        objects: the objects of the cluster.
        app: the Application.
        sync: the `sync` of its operation.
        options: its sync options.
    """

    def __init__(self, objects: Objects, app: Object, sync: Object, options: dict[str, str]) -> None:
        self._objects, self._app, self._sync, self._options = objects, app, sync, options
        self._changed = False
        self._namespaces: set[str] = set()  # that this very sync makes

    def step(self, comparison: Comparison, results: list[Object] | None) -> Step:
        """Do the next thing.

        Args:
            comparison: how things stand; of the revision that is to be synced.
            results: those of earlier steps, None in the first.
        """
        planned = tasks(comparison.pairs, self._sync, self._options)
        self._namespaces = {task.pair.id.name for task in planned if task.pair.id.kind == "Namespace"}
        try:
            if results is None and (failed := self._checked(planned)):
                return failed
            if self._sync.get("dryRun"):
                told = [self._told(one, APPLIED, "dry run") for one in planned]
                return Step(SUCCEEDED, "successfully synced (dry run)", told)
            return self._next(planned, {_id(one): one for one in results or []})
        except ApiError as error:  # about the destination's namespace; those of objects are in the results
            return Step(FAILED, f"one or more objects failed to apply, reason: {error}", results or [], self._changed)

    def _checked(self, planned: list[Task]) -> Step | None:
        """Return what would fail, before anything is changed; None when nothing would."""
        self._make_namespace(dry_run=True)
        what = "one or more synchronization tasks are not valid"
        failed = [self._told(task, SYNC_FAILED, task.pair.refusal) for task in planned if task.pair.refusal]
        if not failed:
            what = "one or more objects failed to apply (dry run)"
            failed = [self._told(task, SYNC_FAILED, why) for task in planned if (why := self._trial(task))]
        return Step(FAILED, f"{what}, reason: {failed[0]['message']}", failed) if failed else None

    def _trial(self, task: Task) -> str:
        pair = task.pair
        if task.prunes:
            return ""
        if pair.kind is None:
            if self._option(pair, "SkipDryRunOnMissingResource"):
                return ""
            return _unknown(pair)
        if self._option(pair, "FailOnSharedResource") and (other := self._other(pair)):
            return f"Shared resource found: {pair.id} is part of application {other}"
        if self._will_have_namespace(pair):
            return ""
        try:
            self._apply(pair, dry_run=True)
        except ApiError as error:
            return str(error)
        return ""

    def _next(self, planned: list[Task], results: dict[Id, Object]) -> Step:
        waves = {task.wave for task in planned}
        running = [task for task in planned if results.get(task.pair.id, {}).get("hookPhase") == RUNNING]
        for task in running:
            self._look_at(task, results)
        there = {task.pair.id for task in planned}
        for one, told in results.items():
            if told["status"] == PRUNED and one not in there:
                results[one] = {**told, "hookPhase": SUCCEEDED}
        waiting = [task for task in running if results[task.pair.id]["hookPhase"] == RUNNING]
        pending = [task for task in planned if task.pair.id not in results]
        failed = [one for one in results.values() if one["hookPhase"] == FAILED]
        if failed:
            return self._step(FAILED, f"{NOT_WELL}, reason: {failed[0]['message']}", results)
        if waiting and pending and len(waves) > 1:
            return self._step(RUNNING, _waiting_for(waiting), results)
        if pending:
            self._make_namespace(dry_run=False)
            now = [task for task in pending if task.wave == pending[0].wave]
            for task in now:
                results[task.pair.id] = self._done(task)
            failed = [results[task.pair.id] for task in now if results[task.pair.id]["hookPhase"] == FAILED]
            if failed:
                return self._step(
                    FAILED, f"one or more objects failed to apply, reason: {failed[0]['message']}", results
                )
            if len(now) < len(pending):
                return self._step(RUNNING, _waiting_for(now), results)
        return self._step(SUCCEEDED, DONE, results)

    def _step(self, phase: str, message: str, results: dict[Id, Object]) -> Step:
        return Step(phase, message, list(results.values()), self._changed)

    def _look_at(self, task: Task, results: dict[Id, Object]) -> None:
        """Say of an object that was applied whether it is well now, and of one that was pruned whether it is gone."""
        told = results[task.pair.id]
        found = task.pair.health
        if told["status"] == PRUNED:
            phase = RUNNING if task.pair.live else SUCCEEDED
        elif found is None or found.status == health.HEALTHY:
            phase = SUCCEEDED
        else:
            phase = FAILED if found.status == health.DEGRADED else RUNNING
        message = found.message if phase == FAILED and found else told["message"]
        results[task.pair.id] = {**told, "hookPhase": phase, "message": message}

    def _done(self, task: Task) -> Object:
        try:
            return self._pruned(task) if task.prunes else self._applied(task)
        except ApiError as error:
            return self._told(task, SYNC_FAILED, str(error))

    def _applied(self, task: Task) -> Object:
        pair = task.pair
        if pair.kind is None:
            return self._told(task, SYNC_FAILED, _unknown(pair))
        kept = self._apply(pair, dry_run=False)
        self._changed |= kept is not pair.live
        return self._told(task, APPLIED, f"{pair.kind.singular}{_group(pair)}/{pair.id.name} serverside-applied")

    def _pruned(self, task: Task) -> Object:
        pair = task.pair
        if not self._sync.get("prune"):
            return self._told(task, PRUNE_SKIPPED, "ignored (requires pruning)", SUCCEEDED)
        if identity.options(pair.live, SYNC_OPTIONS).get("Prune") == "false":
            return self._told(task, PRUNE_SKIPPED, "ignored (no prune)", SUCCEEDED)
        how = self._options.get("PrunePropagationPolicy", "foreground").capitalize()
        options = deletion.DeleteOptions(policy=how, uid=pair.live["metadata"]["uid"])
        deletion.delete(self._objects, differences.target_of(pair.kind, pair.live), options)
        self._changed = True
        return self._told(task, PRUNED, "pruned")

    def _apply(self, pair: Pair, *, dry_run: bool) -> Object:
        wanted, rules = pair.wanted, self._app["spec"].get("ignoreDifferences") or []
        if pair.live and rules and self._option(pair, "RespectIgnoreDifferences"):
            wanted = differences.without_ignored(wanted, pair.live, differences.rules_for(rules, pair.id))
        strict = self._value(pair, "Validate") != "false"
        return differences.apply(self._objects, pair.kind, wanted, dry_run=dry_run, strict=strict)

    def _option(self, pair: Pair, name: str) -> bool:
        return self._value(pair, name) == "true"

    def _value(self, pair: Pair, name: str) -> str | None:
        """Return an option of an object, or else of the whole sync."""
        own = identity.options(pair.wanted, SYNC_OPTIONS) if pair.wanted else {}
        return own.get(name, self._options.get(name))

    def _other(self, pair: Pair) -> str:
        other = identity.tracked_by(pair.live) if pair.live else ""
        return other if other != identity.name_of(self._app) else ""

    def _make_namespace(self, *, dry_run: bool) -> None:
        """Create the destination's namespace where that is asked for."""
        name = self._app["spec"]["destination"].get("namespace", "")
        if self._options.get("CreateNamespace") == "true" and name:
            policy = self._app["spec"].get("syncPolicy") or {}
            more = policy.get("managedNamespaceMetadata") or {}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **more}}
            options = WriteOptions(dry_run, "Ignore", differences.MANAGER, force=True)
            self._objects.apply(Target(NAMESPACE, "", name), body, options)

    def _will_have_namespace(self, pair: Pair) -> bool:
        """Tell whether an object cannot be tried because this very sync makes its namespace."""
        name = pair.id.namespace
        if not name or self._objects.store.get(NAMESPACE, "", name):
            return False
        if self._options.get("CreateNamespace") == "true" and name == self._app["spec"]["destination"].get("namespace"):
            return True
        return name in self._namespaces

    def _told(self, task: Task, status: str, message: str, phase: str = RUNNING) -> Object:
        one = task.pair.id
        return {
            "group": one.group,
            "version": task.pair.version,
            "kind": one.kind,
            "namespace": one.namespace,
            "name": one.name,
            "status": status,
            "message": message,
            "hookPhase": FAILED if status == SYNC_FAILED else phase,
            "syncPhase": "Sync",
        }


def _id(result: Object) -> Id:
    return Id(result["group"], result["kind"], result["namespace"], result["name"])


def _group(pair: Pair) -> str:
    return f".{pair.id.group}" if pair.id.group else ""


def _unknown(pair: Pair) -> str:
    where = "/".join(filter(None, (pair.id.namespace, pair.id.name)))
    api = f"{pair.id.group}/{pair.id.kind}"
    return f"The cluster does not know {api} for requested resource {where}: is its CRD installed?"


def _waiting_for(found: list[Task]) -> str:
    """Say what an operation waits for, with the first of several by name."""
    judged = [task for task in found if not task.prunes and health.is_judged(task.pair.id.kind)]
    going = [task for task in found if task.prunes]
    names = judged or going or found
    what = "deletion" if names is going else "healthy state"
    more = f" and {len(names) - 1} more resources" if len(names) > 1 else ""
    return f"waiting for {what} of {names[0].pair.id}{more}"
