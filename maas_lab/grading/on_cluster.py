"""Grade a cohort on the connected cluster, in indexed Jobs; a Job that an earlier call has left is followed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from maas_lab import connecting, outfile, settings, wait
from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound, UsageError
from maas_lab.grading import carried, cohort_jobs, keeping, pool, verdicts, workbook
from maas_lab.grading.cohort_jobs import NAMESPACE, Member, Object
from maas_lab.grading.pool import BROKEN, Done, OnEvent, Plan, Started, Told
from maas_lab.grading.submissions import Submission
from maas_lab.grading.verdicts import RESULT, Graded
from maas_lab.objects import pod_reason

LONGEST_S, LOOK_S = 24 * 3600, 2.0
SELECTOR = "app.kubernetes.io/name=grader"
STUCK = ("ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "Unschedulable")
ALONE = "Each learner is graded in a pod of their own, without a token, without rights, and on a lab inside that pod."


def connected() -> Cluster:
    """Return the cluster that `connect()` takes; no lab need be on it.

    Raises:
        LabError: it does not answer, or the local one cannot be started.
    """
    settings.never_proxy_inside()
    return Cluster(connecting.choose(None, None, None, settings.namespaces()).source)


def grade(folder: Path, plan: Plan, cluster: Cluster, on_event: OnEvent = lambda event: None) -> list[Graded]:
    """Grade what was handed in, and return it in the order of the learners' names.

    Args:
        folder: one folder for each learner, with notebooks named as the lessons.
        plan: how; its number of learners at a time is that of pods.
        cluster: where; `manifests/grading` has been applied.
        on_event: called as it goes on.

    Raises:
        UsageError: there are no submissions, no such learner, or the cluster is not prepared.
        ClusterError: the cluster does not let Jobs be made, or does not answer.
    """
    lessons, found = pool.read(folder, plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    return _Run(lessons, plan, cluster, on_event).grade(found)


class _Run:
    def __init__(self, lessons: list[workbook.Lesson], plan: Plan, cluster: Cluster, on_event: OnEvent) -> None:
        self._lessons, self._plan, self._cluster, self._tell = lessons, plan, cluster, on_event
        self._version = workbook.version(lessons, pool.PACKAGE)
        self._done: dict[Path, Graded] = {}  # by folder: names that cannot be shown may look alike
        self._total = 0
        self._told: set[str] = set()

    def grade(self, found: list[Submission]) -> list[Graded]:
        self._total = len(found)
        for one in found:
            if kept := keeping.kept(self._plan.out, one, self._key(one), self._lessons):
                self._add(one, kept, kept=True)
            elif one.problem or not one.files:
                self._add(one, self._unexecuted(one))
        left = {(one.learner, self._key(one)): one for one in found if one.folder not in self._done}
        if left:
            self._on_cluster(left)
        return [self._done[one.folder] for one in found]

    def _on_cluster(self, left: dict[Member, Submission]) -> None:
        self._check()
        self._tell(Told(ALONE))
        for job in self._cluster.list("Job", NAMESPACE, selector=SELECTOR):
            mine = [member for member in cohort_jobs.members(job) if member in left]
            if job["spec"].get("suspend"):  # an earlier call was stopped before its submissions were there
                self._cluster.delete([job])
            elif mine:
                self._tell(Told(f"An earlier call has begun {len(mine)} of them: {job}"))
                self._follow(job, {member: left.pop(member) for member in mine})
        members = list(left)
        for begin in range(0, len(members), cohort_jobs.MOST):
            some = {member: left[member] for member in members[begin : begin + cohort_jobs.MOST]}
            self._follow(self._begun(some), some)

    def _check(self) -> None:
        try:
            self._cluster.get("ServiceAccount", "grader", NAMESPACE)
        except NotFound as error:
            hint = "kubectl apply -k manifests/grading/local, or manifests/grading/openshift on OpenShift"
            raise UsageError("this cluster is not prepared for grading", error.what, hint) from error

    def _begun(self, some: Mapping[Member, Submission]) -> Object:
        """Make a Job and what its pods read; the pods begin when all of it is there."""
        body = cohort_jobs.job(list(some), self._plan.jobs or cohort_jobs.AT_ONCE)
        config_maps = cohort_jobs.config_maps(body, list(some.values()))
        body = cohort_jobs.with_submissions(body, config_maps)
        self._cluster.apply(body)
        made = self._cluster.get("Job", body["metadata"]["name"], NAMESPACE)
        self._cluster.apply([cohort_jobs.owned(one, made) for one in config_maps])
        self._cluster.apply({**body, "spec": {**body["spec"], "suspend": False}})
        pods, name = body["spec"]["parallelism"], made["metadata"]["name"]
        self._tell(Told(f"Learners: {len(some)}, pods at a time: {pods}, in job/{name}"))
        return body

    def _follow(self, job: Mapping, some: dict[Member, Submission]) -> None:
        """Take the results of a Job's pods as they come, and delete it when it is over."""
        indexes = {index: member for index, member in enumerate(cohort_jobs.members(job)) if member in some}
        left = {index: some[member] for index, member in indexes.items()}
        name, begun = job["metadata"]["name"], set()
        wait.until(lambda: self._is_over(name, left, begun), what=f"Job {name}", timeout=LONGEST_S, every=LOOK_S)
        self._cluster.delete([f"job/{name}"], NAMESPACE, wait=False)

    def _is_over(self, name: str, left: dict[int, Submission], begun: set[int]) -> bool:
        is_over = cohort_jobs.is_over(self._cluster.get("Job", name, NAMESPACE))
        pods = self._cluster.list("Pod", NAMESPACE, selector=f"batch.kubernetes.io/job-name={name}")
        for pod in pods:
            index = cohort_jobs.index_of(pod)
            if index in left:
                self._look(pod, left[index], is_new=index not in begun)
                begun.add(index)
                if (pod.get("status") or {}).get("phase") == "Succeeded":
                    one = left.pop(index)
                    self._add(one, self._taken(one, self._cluster.logs(pod.name, NAMESPACE)))
        for index in list(left) if is_over else ():
            why = cohort_jobs.why_failed([pod for pod in pods if cohort_jobs.index_of(pod) == index])
            one = left.pop(index)
            self._add(one, self._failed(one, why))
        return not left

    def _look(self, pod: Mapping, one: Submission, *, is_new: bool) -> None:
        if is_new:
            self._tell(Started(one.learner))
        reason, message = pod_reason(pod)
        text = f"{pod['metadata']['name']} waits: {reason}: {message}"
        if reason in STUCK and text not in self._told:
            self._told.add(text)
            self._tell(Told(text))

    def _key(self, one: Submission) -> str:
        return f"{one.digest}-{self._version}"

    def _add(self, one: Submission, graded: Graded, *, kept: bool = False) -> None:
        self._done[one.folder] = graded
        self._tell(Done(graded, len(self._done), self._total, kept))

    def _failed(self, one: Submission, why: str) -> Graded:
        return keeping.unexecuted(Graded(one.learner, "", f"{BROKEN}: {why}"), one, self._lessons)

    def _unexecuted(self, one: Submission) -> Graded:
        """Return the result of a submission of which there is nothing to execute."""
        graded = keeping.unexecuted(Graded(one.learner, self._key(one), one.problem), one, self._lessons)
        return graded if one.problem else self._kept(one, graded, {})

    def _taken(self, one: Submission, log: str) -> Graded:
        """Return and keep the results that a pod has printed; its notebooks may have printed some, too."""
        names = {f"{lesson}.ipynb" for lesson in one.files}
        try:
            files = carried.unpacked(carried.told(log) or b"", {RESULT, *names})
            text = files.pop(RESULT).decode(errors="replace")
            told = json.loads(text)
            ended, version = str(told["ended"])[: verdicts.LONGEST], str(told["key"]).rpartition("-")[2]
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._failed(one, "its pod printed no results")
        if version != self._version:
            return self._failed(one, "the image of the pod grades another version of this workbook")
        graded = verdicts.read(text, Graded(one.learner, self._key(one), ended), self._lessons)
        return self._kept(one, graded, files)

    def _kept(self, one: Submission, graded: Graded, files: Mapping[str, bytes]) -> Graded:
        out = keeping.emptied(self._plan.out / one.learner, [f"{lesson.name}.ipynb" for lesson in self._lessons])
        graded = keeping.as_handed_in(graded, one, self._lessons)
        for name, content in files.items():
            outfile.write(out / name, content)
        outfile.write(out / RESULT, graded.text().encode())
        return graded
