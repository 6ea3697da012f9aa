"""The controller of Applications: keeps each of them true to its Git repository, and its status true to both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from maas_lab.local.gitops import identity, sources, spec, statuses
from maas_lab.local.gitops.comparison import Comparer, Comparison, Memory
from maas_lab.local.gitops.differences import MANAGER
from maas_lab.local.gitops.identity import APPLICATION, HOME, PROJECT, REFRESH
from maas_lab.local.gitops.operations import Advance, Operations, is_running
from maas_lab.local.gitops.projects import Project
from maas_lab.local.gitops.removal import Removal
from maas_lab.local.gitops.sources import Sources
from maas_lab.local.gitops.spec import Request
from maas_lab.local.gitops.syncing import SUCCEEDED
from maas_lab.local.gitops.tracking import begin
from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.events import Recorder
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.store import Change, Key, Object
from maas_lab.local.kube.texts import stamp

LOOK_S = 0.5  # between two looks at the times of a repository's refs; Argo CD asks a server every two minutes
COMPONENT = "argocd-application-controller"


@dataclass
class Known:
    """What is remembered of one Application; all of it can be found again.

    Attributes:
        request: what it follows.
        signature: of the refs then; None where the answer has not come.
        due: when to look again.
        renews: a hard refresh is under way.
        memory: of comparisons with the revision that it follows.
        other: of comparisons with the revision of an operation.
    """

    request: Request | None = None
    signature: sources.Signature | None = None
    due: datetime | None = None
    renews: bool = False
    memory: Memory = field(default_factory=Memory)
    other: Memory = field(default_factory=Memory)


class Applications:
    """Reconciles Applications.

    Args:
        objects: the objects of the cluster.
        clock: tells the time.
        answers: tells what a revision of a repository holds.
    """

    def __init__(self, objects: Objects, clock: Callable[[], datetime], answers: Sources) -> None:
        self._objects, self._clock, self._sources = objects, clock, answers
        self._client = Client(objects, MANAGER)
        self._events = Recorder(self._client, COMPONENT, clock)
        self._comparer, self._operations = Comparer(objects), Operations(objects, clock)
        self._removal, self._tracked = Removal(objects, self._client), begin(objects.store)
        self._known: dict[Key, Known] = {}
        self._changed: set[Key] = set()

    def affected(self, change: Change) -> Iterable[Key]:
        """Yield the Applications that a change is about."""
        found = self._tracked.note(change)  # an Application may be part of another one
        if change.key.resource == APPLICATION.resource:
            found |= {change.key}
        elif change.key.resource == PROJECT.resource and change.key.namespace == HOME:
            apps = [one for one in self._client.list(APPLICATION) if one["spec"]["project"] == change.key.name]
            found |= {identity.key_of(APPLICATION, one) for one in apps}
        self._changed |= found
        yield from found

    def answered(self, request: Request) -> list[Key]:
        """Return the Applications that may have waited for an answer."""
        found = [
            key for key, one in self._known.items() if one.request and one.request.repository == request.repository
        ]
        self._changed.update(found)
        return found

    def reconcile(self, key: Key) -> float | None:
        """Look at an Application, if anything has changed: itself, its objects, its project or its repository."""
        app = self._client.get(APPLICATION, key.namespace, key.name)
        if app is None:
            self._changed.discard(key)
            if self._known.pop(key, None):
                self._tracked.forget(key)
            return None
        known = self._known.setdefault(key, Known())
        if key not in self._changed and not self._is_due(known):
            return self._pause_s(known)
        self._changed.discard(key)
        try:
            pause_s = self._work(key, app, known)
        except BaseException:
            self._changed.add(key)
            raise
        known.due = None if pause_s is None else self._clock() + timedelta(seconds=pause_s)
        return self._pause_s(known)

    def _pause_s(self, known: Known) -> float:
        left_s = (known.due - self._clock()).total_seconds() if known.due else LOOK_S
        return max(0.0, min(LOOK_S, left_s))

    def _is_due(self, known: Known) -> bool:
        if known.due and known.due <= self._clock():
            return True
        if known.request is None or known.signature is None:
            return False
        return sources.signature(known.request) != known.signature

    def _work(self, key: Key, app: Object, known: Known) -> float | None:
        if app["metadata"].get("deletionTimestamp"):
            self._removal.step(app, self._tracked.live(identity.name_of(app)))
            return None
        project = Project.read(self._client, app["spec"]["project"])
        if wrong := spec.problems(app, project):
            known.request = None
            self._tracked.want(key, ())
            self._report(app, None, wrong, None)
            return None
        answer = self._answer(app, known)
        if answer is None:
            return None
        comparison = self._compare(app, project, answer, known.memory)
        self._tracked.want(key, known.memory.wanted)
        advance = self._operations.advance(app, comparison, lambda at: self._at(app, project, comparison, known, at))
        conditions = [*comparison.conditions, *(("SyncError", one) for one in [advance.error] if one)]
        conditions += self._orphans(key, app, project)
        self._report(app, comparison, conditions, advance)
        return advance.pause_s

    def _answer(self, app: Object, known: Known) -> sources.Answer | None:
        request = spec.request(app)
        if identity.annotations(app).get(REFRESH) == "hard" and not known.renews:
            known.renews = True
            self._sources.forget(request)
        now = sources.signature(request)
        answer = self._sources.ask(request)
        known.request, known.signature = request, None if answer is None else now
        known.renews = known.renews and answer is None
        return answer

    def _compare(self, app: Object, project: Project, answer: sources.Answer, memory: Memory) -> Comparison:
        return self._comparer.compare(app, project, answer, memory, self._tracked.own(identity.name_of(app)))

    def _at(
        self, app: Object, project: Project, comparison: Comparison, known: Known, revision: str
    ) -> Comparison | None:
        """Return the comparison with an operation's revision."""
        if revision in ("", known.request.revision, comparison.answer.revision):
            return comparison
        answer = self._sources.ask(spec.request(app, revision))
        return self._compare(app, project, answer, known.other) if answer else None

    def _orphans(self, key: Key, app: Object, project: Project) -> list[tuple[str, str]]:
        found = self._tracked.orphans(key, app["spec"]["destination"].get("namespace", ""), project)
        names = ", ".join(map(str, found[:3])) + (", ..." if len(found) > 3 else "")
        return (
            [("OrphanedResourceWarning", f"Application has {len(found)} orphaned resources: {names}")] if found else []
        )

    def _report(
        self,
        app: Object,
        comparison: Comparison | None,
        conditions: list[tuple[str, str]],
        advance: Advance | None,
    ) -> None:
        """Write status, operation and what is left of the annotations, if anything of it is new."""
        now, before = stamp(self._clock()), app.get("status") or {}
        told = statuses.compared(app, comparison, now)
        new = {name: value for name, value in app.items() if name != "operation"}
        if advance is None and "operation" in app:
            new["operation"] = app["operation"]
        if advance and advance.state:
            told["operationState"] = advance.state
            told = statuses.recorded(told, app, advance.state) if advance.finished else told
            if advance.operation:
                new["operation"] = advance.operation
        told = statuses.with_conditions(told, before, conditions, now)
        marks = {name: value for name, value in identity.annotations(app).items() if name != REFRESH}
        refreshed = marks != identity.annotations(app)
        if told == before and new == app and not refreshed:
            return
        new["metadata"] = {**app["metadata"], "annotations": marks} if refreshed else app["metadata"]
        self._client.update(APPLICATION, {**new, "status": {**told, "reconciledAt": now}})
        self._tell(app, before, told, advance)

    def _tell(self, app: Object, before: Object, told: Object, advance: Advance | None) -> None:
        """Record as events what has changed."""
        for what in ("sync", "health"):
            was, now = ((one.get(what) or {}).get("status", "") for one in (before, told))
            if was != now:
                self._events.normal(app, "ResourceUpdated", f"Updated {what} status: {was} -> {now}")
        state = told.get("operationState")
        if advance is None or state is None:
            return
        sync = state["operation"].get("sync") or {}
        if not is_running(before.get("operationState")) and "retryCount" not in state:
            who = "automated" if (state["operation"].get("initiatedBy") or {}).get("automated") else "manual"
            if advance.finished or is_running(state):
                self._events.normal(app, "OperationStarted", f"Initiated {who} sync to '{sync.get('revision', '')}'")
        if advance.finished:
            where = (state.get("syncResult") or {}).get("revision", "")
            if state["phase"] == SUCCEEDED:
                self._events.normal(app, "OperationCompleted", f"Sync operation to {where} succeeded")
            else:
                message = f"Sync operation to {where} failed: {state['message']}"
                self._events.warning(app, "OperationCompleted", message)
