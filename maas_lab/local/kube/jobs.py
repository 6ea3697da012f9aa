"""Know what is particular to Jobs when they are written: what the API gives a new one, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

from maas_lab.local.kube import syntax, validate_pods
from maas_lab.local.kube.status import Cause
from maas_lab.local.kube.store import Object

PREFIX = "batch.kubernetes.io/"
NAME_LABEL, UID_LABEL, INDEX_LABEL = f"{PREFIX}job-name", f"{PREFIX}controller-uid", f"{PREFIX}job-completion-index"
OLD_NAME_LABEL, OLD_UID_LABEL = "job-name", "controller-uid"
INDEXED, REPLACEMENT = "Indexed", "TerminatingOrFailed"
MOST_AT_ONCE = 100_000  # pods of an Indexed Job
NOT_HERE = "the local cluster does not know this field"
UNKNOWN = ("podFailurePolicy", "successPolicy", "managedBy")
_NUMBERS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_FROZEN = ("completionMode", "backoffLimitPerIndex", "manualSelector")
_OPEN_IN_TEMPLATE = ("nodeSelector", "tolerations", "schedulingGates", "affinity")


def begin(job: Object) -> Object:
    """Return a new Job with the labels by which it knows its pods, unless its author chooses the selector."""
    spec, metadata = dict(job.get("spec") or {}), job["metadata"]
    template = spec.get("template") or {}
    given = template.get("metadata") or {}
    labels = given.get("labels") or {}
    if not spec.get("manualSelector"):
        labels = {**_generated(metadata), **labels}
        spec["template"] = {**template, "metadata": {**given, "labels": labels}}
        selector = spec.get("selector") or {}
        matched = {UID_LABEL: metadata["uid"], **(selector.get("matchLabels") or {})}
        spec["selector"] = {**selector, "matchLabels": matched}
    if labels and not metadata.get("labels"):
        metadata = {**metadata, "labels": labels}
    return {**job, "metadata": metadata, "spec": spec, "status": {}}


def _generated(metadata: Object) -> dict[str, str]:
    uid, name = metadata["uid"], metadata.get("name", "")
    return {UID_LABEL: uid, NAME_LABEL: name, OLD_UID_LABEL: uid, OLD_NAME_LABEL: name}


def problems(job: Object) -> Iterator[Cause]:
    """Yield what is wrong with a Job, in the order of the API server."""
    spec, metadata = job.get("spec") or {}, job.get("metadata") or {}
    for name in (*_NUMBERS, "backoffLimitPerIndex", "maxFailedIndexes"):
        yield from syntax.at_least_zero(f"spec.{name}", spec.get(name))
    yield from syntax.one_of("spec.completionMode", spec.get("completionMode"), (INDEXED, "NonIndexed"))
    yield from _indexed(spec, metadata) if spec.get("completionMode") == INDEXED else _not_indexed(spec)
    yield from _unknown(spec)
    yield from _pods(spec)
    if not spec.get("manualSelector") and "uid" in metadata:
        yield from _labels(spec, metadata)


def _indexed(spec: Object, metadata: Object) -> Iterator[Cause]:
    completions, failing = spec.get("completions"), spec.get("maxFailedIndexes")
    if failing is not None and spec.get("backoffLimitPerIndex") is None:
        yield syntax.required("spec.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if completions is None:
        yield syntax.required("spec.completions", "when completion mode is Indexed")
        return
    if spec.get("parallelism", 0) > MOST_AT_ONCE:
        why = f"must be less than or equal to {MOST_AT_ONCE} when completion mode is Indexed"
        yield syntax.invalid("spec.parallelism", spec["parallelism"], why)
    if failing is not None and failing > completions:
        yield syntax.invalid("spec.maxFailedIndexes", failing, "must be less than or equal to completions")
    last = f"{metadata.get('name', '')}-{completions - 1}"
    if completions > 0 and syntax.label(last):
        why = f"will not able to create pod with invalid DNS label: {last}"
        yield syntax.invalid("metadata.name", metadata.get("name", ""), why)


def _not_indexed(spec: Object) -> Iterator[Cause]:
    for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if spec.get(name) is not None:
            yield syntax.invalid(f"spec.{name}", spec[name], "requires indexed completion mode")


def _unknown(spec: Object) -> Iterator[Cause]:
    """Refuse what the controller here would not do, rather than to leave it undone in silence."""
    for name in UNKNOWN:
        if spec.get(name):
            yield syntax.forbidden(f"spec.{name}", NOT_HERE)
    if (policy := spec.get("podReplacementPolicy")) != REPLACEMENT:
        yield syntax.unsupported("spec.podReplacementPolicy", policy, (REPLACEMENT,))


def _pods(spec: Object) -> Iterator[Cause]:
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    if spec.get("manualSelector") and selector is None:
        yield syntax.required("spec.selector")
    elif selector is not None and not validate_pods.matches(selector, labels):
        yield syntax.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from syntax.labels(labels, "spec.template.metadata.labels")
    yield from validate_pods.spec(template.get("spec") or {}, "spec.template.spec")
    if (template.get("spec") or {}).get("restartPolicy") not in ("OnFailure", "Never"):
        yield syntax.required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')


def _labels(spec: Object, metadata: Object) -> Iterator[Cause]:
    """Check that labels and selector are the generated ones: an author's own could take another Job's pods."""
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    wanted = _generated(metadata)
    for name, value in wanted.items():
        if labels.get(name) != value:
            yield syntax.invalid(f"spec.template.metadata.labels[{name}]", labels, f"must be '{value}'")
    if not validate_pods.matches(spec.get("selector") or {}, wanted):
        yield syntax.invalid("spec.selector", spec.get("selector"), "`selector` not auto-generated")


def changes(new: Object, old: Object) -> Iterator[Cause]:
    """Yield what may not change of a Job that is there."""
    has, had = new["spec"], old["spec"]
    yield from _completions(has, had)
    if has.get("selector") != had.get("selector"):
        yield syntax.invalid("spec.selector", has.get("selector"), "field is immutable")
    is_open = bool(had.get("suspend")) and not (old.get("status") or {}).get("startTime")
    if _fixed(has["template"], is_open=is_open) != _fixed(had["template"], is_open=is_open):
        yield syntax.invalid("spec.template", has["template"], "field is immutable")
    for name in _FROZEN:
        if has.get(name) != had.get(name):
            yield syntax.invalid(f"spec.{name}", has.get(name), "field is immutable")


def _completions(has: Object, had: Object) -> Iterator[Cause]:
    wanted = has.get("completions")
    if wanted == had.get("completions"):
        return
    if has.get("completionMode") != INDEXED:
        yield syntax.invalid("spec.completions", wanted, "field is immutable")
    elif wanted is not None and wanted != has.get("parallelism"):
        yield syntax.invalid("spec.completions", wanted, "can only be modified in tandem with spec.parallelism")


def _fixed(template: Object, *, is_open: bool) -> Object:
    """Return of a pod template what may not change; before a suspended Job has started, where pods go is open."""
    if not is_open:
        return template
    spec = {name: value for name, value in (template.get("spec") or {}).items() if name not in _OPEN_IN_TEMPLATE}
    kept = {name: value for name, value in (template.get("metadata") or {}).items() if name == "finalizers"}
    return {"metadata": kept, "spec": spec}
