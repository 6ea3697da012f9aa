"""Compare what Git says with what is there: each object's state, and the Application's."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

from maas_lab.local.gitops import differences, health, identity
from maas_lab.local.gitops.health import Health
from maas_lab.local.gitops.identity import Id
from maas_lab.local.gitops.projects import Project
from maas_lab.local.gitops.sources import Answer
from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.store import Key, Object

# What an object's own annotation may say.
OWN_OPTIONS = (
    *("Delete", "FailOnSharedResource", "Prune", "PruneLast", "RespectIgnoreDifferences", "ServerSideApply"),
    *("SkipDryRunOnMissingResource", "Validate"),
)
SYNCED, OUT_OF_SYNC, UNKNOWN = "Synced", "OutOfSync", "Unknown"


@dataclass(frozen=True)
class Pair:
    """One object: as Git has it, as it is, or both.

    Attributes:
        kind: as it is served; None where the cluster does not know it.
        wanted: as Git has it, None where it is there and Git knows it no longer.
        live: as it is, None where it is missing.
        differs: Git and the cluster do not agree.
        status: `Synced`, `OutOfSync` or `Unknown`.
        refusal: why the project does not allow it.
    """

    id: Id
    kind: Kind | None
    wanted: Object | None
    live: Object | None
    differs: bool = False
    status: str = UNKNOWN
    health: Health | None = None
    refusal: str = ""

    @property
    def wave(self) -> int:
        """The wave in which it is applied."""
        return identity.wave(self.wanted or self.live)

    @property
    def is_going(self) -> bool:
        """Whether it is not in Git and is being deleted already."""
        return self.wanted is None and "deletionTimestamp" in self.live["metadata"]

    @property
    def version(self) -> str:
        """The version of its API."""
        return (self.wanted or self.live)["apiVersion"].rpartition("/")[2]


@dataclass(frozen=True)
class Comparison:
    """An Application against its objects.

    Attributes:
        sync: `Synced`, `OutOfSync` or `Unknown`.
        conditions: type and message of what is wrong.
    """

    answer: Answer
    pairs: tuple[Pair, ...]
    sync: str
    health: str
    conditions: tuple[tuple[str, str], ...] = ()


@dataclass
class Memory:
    """What a comparison need not find out again.

    Attributes:
        answer: of which the wanted objects were made.
        namespace: that of the destination then.
        wanted: what Git says, ready to be applied.
        problems: type and message of what is wrong with it.
        found: by object: what it was compared with, and whether it differed.
    """

    answer: Answer | None = None
    namespace: str = ""
    wanted: dict[Id, Object] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    found: dict[Id, tuple[Object, str, list[Object], bool]] = field(default_factory=dict)


class Comparer:
    """Compares one Application at a time.

    Args:
        objects: the objects of the cluster.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects, self._store = objects, objects.store

    def compare(
        self, app: Object, project: Project, answer: Answer, memory: Memory, tracked: Iterable[tuple[Kind, Key]]
    ) -> Comparison:
        """Compare an Application's objects in Git with the live ones.

        Args:
            app: the Application.
            project: what it may.
            answer: what Git says, or why that is not known.
            memory: of this Application; is changed.
            tracked: kind and key of the live objects that are its own.
        """
        self._prepare(app, answer, memory)
        known = {one: identity.kind_of(obj) for one, obj in memory.wanted.items()}
        for kind, key in tracked:
            known.setdefault(Id(kind.group, kind.kind, key.namespace, key.name), kind)
        failed = bool(answer.error) or any(type_.endswith("Error") for type_, _ in memory.problems)
        pairs = tuple(self._pair(app, project, one, known[one], memory, failed=failed) for one in sorted(known))
        sync = UNKNOWN if failed else OUT_OF_SYNC if any(map(_counts_as_changed, pairs)) else SYNCED
        conditions = [*_failure(answer), *memory.problems, *_shared(app, pairs)]
        return Comparison(answer, pairs, sync, _overall(pairs), tuple(conditions))

    def _prepare(self, app: Object, answer: Answer, memory: Memory) -> None:
        """Make the objects of an answer ready to be applied, unless they are."""
        namespace = app["spec"]["destination"].get("namespace", "")
        if memory.answer is answer and memory.namespace == namespace:
            return
        memory.answer, memory.namespace = answer, namespace
        memory.wanted, memory.problems = {}, []
        name = identity.name_of(app)
        for obj in answer.objects:
            made = _placed(copy.deepcopy(obj), namespace, memory.problems)
            one = identity.identify(made)
            if one in memory.wanted:
                where = f"{one.group}/{one.kind}/{one.namespace}/{one.name}"
                memory.problems.append(("RepeatedResourceWarning", f"Resource {where} is in Git more than once."))
            marks = {**identity.annotations(made), identity.TRACKING: identity.tracking(name, one)}
            memory.wanted[one] = {**made, "metadata": {**made["metadata"], "annotations": marks}}

    def _pair(self, app: Object, project: Project, one: Id, kind: Kind | None, memory: Memory, *, failed: bool) -> Pair:
        wanted = memory.wanted.get(one)
        live = self._store.get(kind, one.namespace, one.name) if kind else None
        namespaced = identity.is_namespaced(wanted or live)
        refusal = project.refusal(one, namespaced=namespaced)
        differs = wanted is None or live is None or self._differs(app, one, kind, wanted, live, memory)
        state = UNKNOWN if failed or refusal else OUT_OF_SYNC if differs else SYNCED
        found = health.of(live) if live else Health(health.MISSING)
        return Pair(one, kind, wanted, live, differs, state, found, refusal)

    def _differs(self, app: Object, one: Id, kind: Kind, wanted: Object, live: Object, memory: Memory) -> bool:
        version, rules = live["metadata"]["resourceVersion"], app["spec"].get("ignoreDifferences") or []
        known = memory.found.get(one)
        if known and known[0] is wanted and known[1:3] == (version, rules):
            return known[3]
        result = differences.differs(self._objects, kind, wanted, live, differences.rules_for(rules, one))
        memory.found[one] = (wanted, version, rules, result)
        return result


def _placed(obj: Object, namespace: str, problems: list[tuple[str, str]]) -> Object:
    """Put an object into the destination's namespace, if it belongs in one and names none."""
    metadata = obj["metadata"]
    if not identity.is_namespaced(obj):
        metadata.pop("namespace", None)
    elif not metadata.get("namespace") and namespace:
        metadata["namespace"] = namespace
    elif not metadata.get("namespace"):
        message = f"Namespace for {metadata['name']} {obj['kind']} is missing."
        problems.append(("InvalidSpecError", message))
    if identity.HOOK in identity.annotations(obj):
        what = f"{obj['kind']} {metadata['name']} is a hook, which the local cluster does not run"
        problems.append(("ComparisonError", f"{what}: take the annotation {identity.HOOK} away"))
    if others := sorted(identity.options(obj, identity.SYNC_OPTIONS).keys() - {"", *OWN_OPTIONS}):
        what = f"{obj['kind']} {metadata['name']}: sync option {others[0]} is not supported on the local cluster"
        problems.append(("ComparisonError", f"{what}; {', '.join(OWN_OPTIONS)} are"))
    return obj


def _counts_as_changed(pair: Pair) -> bool:
    """Tell whether an object makes its Application OutOfSync."""
    if pair.wanted is None and "IgnoreExtraneous" in identity.options(pair.live, identity.COMPARE_OPTIONS):
        return False
    return pair.differs


def _failure(answer: Answer) -> Iterable[tuple[str, str]]:
    if answer.error:
        at = f" {answer.revision[:7]}" if answer.revision else ""
        yield "ComparisonError", f"Failed to load target state: failed to generate manifest{at}: {answer.error}"


def _shared(app: Object, pairs: Iterable[Pair]) -> Iterable[tuple[str, str]]:
    """Tell of objects that another Application claims as well."""
    own = identity.name_of(app)
    for pair in pairs:
        other = identity.tracked_by(pair.live) if pair.live and pair.wanted else ""
        if other and other != own:
            message = f"{pair.id} is part of applications {own} and {other}"
            yield "SharedResourceWarning", message


def _overall(pairs: Iterable[Pair]) -> str:
    """Return the worst health of all objects; one that is missing counts if its kind has a health."""
    found = [
        pair.health.status
        for pair in pairs
        if pair.health and (pair.health.status != health.MISSING or health.is_judged(pair.id.kind))
    ]
    return health.worst(found)
