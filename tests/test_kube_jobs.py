"""Jobs on a store in memory: what their controller decides, with a kubelet of the test that says how pods end."""

from __future__ import annotations

import pytest

from maas_lab.local.kube import deletion, status, validation
from maas_lab.local.kube.controllers import job_indexes
from maas_lab.local.kube.controllers.client import JOB, POD
from maas_lab.local.kube.controllers.common import condition
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import Target
from maas_lab.local.kube.rules import Rules
from tests.test_kube_controllers import NAMESPACE, Cluster

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
NAMESPACE_KIND = of("v1", "Namespace")


class Jobs(Cluster):
    """A cluster with one Job, `grade`, and words for what tests ask of it."""

    def begin(self, **spec):
        self.create(JOB, "grade", job(**spec))
        self.settle()

    @property
    def job(self):
        return self.get(JOB, "grade")

    @property
    def status(self):
        return self.job["status"]

    def conditions(self):
        return [(one["type"], one["status"], one["reason"]) for one in self.status.get("conditions", [])]

    def active(self):
        found = [pod for pod in self.pods() if pod["status"]["phase"] in ("Pending", "Running")]
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def indexes(self):
        return sorted(int(pod["metadata"]["labels"][INDEX]) for pod in self.active())

    def finish(self, code=0, index=None):
        """Let one pod that is at work end with an exit code."""
        chosen = [pod for pod in self.active() if index is None or pod["metadata"]["labels"][INDEX] == str(index)]
        ended = {"exitCode": code, "finishedAt": self.at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        told = [{"name": "c", "restartCount": 0, "state": {"terminated": ended}}]
        phase = "Failed" if code else "Succeeded"
        self.client.update_status(POD, chosen[0], {**chosen[0]["status"], "phase": phase, "containerStatuses": told})
        self.settle()

    def bury(self):
        """Let every pod that is being deleted end, as a kubelet does."""
        for pod in [pod for pod in self.pods() if pod["metadata"].get("deletionTimestamp")]:
            self.end(pod)
        self.settle()

    def delete(self, kind, name, policy=None):
        target = Target(kind, NAMESPACE, name)
        deletion.delete(self.objects, target, deletion.DeleteOptions(policy=policy))
        self.settle()


def job(restart="Never", **spec):
    return {"template": {"spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "g:1"}]}}, **spec}


@pytest.fixture
def cluster(schemas):
    return Jobs(Rules(schemas))


def test_a_job_runs_one_pod_to_its_end(cluster):
    cluster.begin()
    assert (cluster.status["active"], cluster.status["ready"]) == (1, 0)
    assert cluster.status["startTime"]
    cluster.pass_time(5)
    cluster.finish()
    told = cluster.status
    assert [one["type"] for one in told.pop("conditions")] == ["SuccessCriteriaMet", "Complete"]
    assert told.pop("completionTime") > told.pop("startTime")
    assert told == {"ready": 0, "terminating": 0, "succeeded": 1, "uncountedTerminatedPods": {}}
    (pod,) = cluster.pods()
    assert "finalizers" not in pod["metadata"]
    assert cluster.told("SuccessfulCreate") == [f"Created pod: {pod['metadata']['name']}"]
    assert cluster.told("Completed") == ["Job completed"]


def test_no_more_pods_than_asked_for_run_at_once(cluster):
    cluster.begin(completions=5, parallelism=2)
    for done in range(5):
        assert len(cluster.active()) == min(2, 5 - done)
        cluster.finish()
    assert (cluster.status["succeeded"], len(cluster.pods())) == (5, 5)
    assert condition(cluster.status, "Complete")["status"] == "True"


def test_a_work_queue_is_done_when_one_pod_has_succeeded_and_the_others_have_ended(cluster):
    cluster.begin(parallelism=3)
    assert "completions" not in cluster.job["spec"]
    cluster.finish()
    assert (len(cluster.active()), cluster.conditions()) == (2, [])
    cluster.finish()
    cluster.finish(1)
    assert (cluster.status["succeeded"], cluster.status["failed"]) == (2, 1)
    assert condition(cluster.status, "Complete")["status"] == "True"


def test_indexed_pods_know_their_index(cluster):
    cluster.begin(completions=3, parallelism=2, completionMode="Indexed")
    assert cluster.indexes() == [0, 1]
    pod = next(pod for pod in cluster.pods() if pod["metadata"]["labels"][INDEX] == "1")
    assert pod["metadata"]["name"].startswith("grade-1-")
    assert (pod["spec"]["hostname"], pod["metadata"]["annotations"]) == ("grade-1", {INDEX: "1"})
    assert pod["metadata"]["finalizers"] == [TRACKING]
    variable = {"name": "JOB_COMPLETION_INDEX"}
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    assert pod["spec"]["containers"][0]["env"] == [{**variable, "valueFrom": source}]
    cluster.finish(index=1)
    assert (cluster.indexes(), cluster.status["completedIndexes"]) == ([0, 2], "1")
    cluster.finish(index=0)
    cluster.finish(index=2)
    assert (cluster.status["completedIndexes"], cluster.status["succeeded"]) == ("0-2", 3)


def test_a_failed_index_is_tried_again_after_a_pause_that_doubles(cluster):
    cluster.begin(completions=1, completionMode="Indexed")
    for pause_s in (10, 20, 40):
        cluster.finish(1)
        assert cluster.active() == []
        cluster.pass_time(pause_s - 1)
        cluster.settle()
        assert cluster.active() == []
        cluster.pass_time(1)
        cluster.settle()
        assert cluster.indexes() == [0]
    cluster.finish()
    assert (cluster.status["failed"], cluster.status["succeeded"]) == (3, 1)


def test_too_many_failures_end_a_job_and_its_other_pods(cluster):
    cluster.begin(completions=3, parallelism=3, backoffLimit=0)
    cluster.finish(1)
    assert cluster.conditions() == [("FailureTarget", "True", "BackoffLimitExceeded")]
    cluster.bury()
    assert cluster.conditions()[1] == ("Failed", "True", "BackoffLimitExceeded")
    assert (cluster.status["failed"], "completionTime" in cluster.status, len(cluster.pods())) == (3, False, 1)
    assert cluster.told("BackoffLimitExceeded") == ["Job has reached the specified backoff limit"]


def test_containers_that_were_started_again_count_where_pods_start_them_again(cluster):
    cluster.begin(restart="OnFailure", backoffLimit=2)
    for restarts, over in ((1, False), (2, True)):
        (pod,) = cluster.pods()
        told = [{"name": "c", "restartCount": restarts, "state": {"running": {}}}]
        cluster.client.update_status(POD, pod, {**pod["status"], "phase": "Running", "containerStatuses": told})
        cluster.settle()
        assert bool(cluster.conditions()) == over


def test_a_job_that_takes_too_long_is_ended(cluster):
    cluster.begin(activeDeadlineSeconds=60)
    cluster.pass_time(59)
    cluster.settle()
    assert cluster.conditions() == []
    cluster.pass_time(1)
    cluster.settle()
    cluster.bury()
    assert cluster.conditions() == [
        ("FailureTarget", "True", "DeadlineExceeded"),
        ("Failed", "True", "DeadlineExceeded"),
    ]


def test_one_failing_index_does_not_end_the_others(cluster):
    cluster.begin(completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=1)
    assert cluster.job["spec"]["backoffLimit"] == 2**31 - 1
    cluster.finish(1, index=1)
    assert (cluster.indexes(), cluster.status.get("failed")) == ([0, 2], None)
    cluster.pass_time(10)
    cluster.settle()
    assert (cluster.indexes(), cluster.status["failed"]) == ([0, 1, 2], 1)
    cluster.finish(1, index=1)
    assert (cluster.indexes(), cluster.status["failedIndexes"], cluster.status["failed"]) == ([0, 2], "1", 2)
    cluster.finish(index=0)
    assert cluster.conditions() == []
    cluster.finish(index=2)
    assert cluster.conditions()[-1] == ("Failed", "True", "FailedIndexes")
    assert (cluster.status["completedIndexes"], cluster.status["succeeded"]) == ("0,2", 2)


def test_more_failed_indexes_than_allowed_end_a_job(cluster):
    how = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 1}
    cluster.begin(completions=4, parallelism=3, completionMode="Indexed", **how)
    cluster.finish(1, index=0)
    assert cluster.conditions() == []
    cluster.finish(1, index=1)
    cluster.bury()
    assert cluster.conditions()[-1] == ("Failed", "True", "MaxFailedIndexesExceeded")


def test_the_number_of_failures_of_an_index_survives_the_deletion_of_its_pod(cluster):
    cluster.begin(completions=1, completionMode="Indexed", backoffLimitPerIndex=1)
    cluster.finish(1)
    cluster.delete(POD, cluster.pods()[0]["metadata"]["name"])
    assert len(cluster.pods()) == 1  # held until the next one carries the number on
    cluster.pass_time(10)
    cluster.settle()
    assert cluster.indexes() == [0]
    cluster.finish(1)
    assert cluster.status["failedIndexes"] == "0"


def test_a_suspended_job_waits_and_goes_on(cluster):
    cluster.begin(completions=2, suspend=True)
    assert (cluster.pods(), cluster.conditions()) == ([], [("Suspended", "True", "JobSuspended")])
    assert "startTime" not in cluster.status
    cluster.change(JOB, "grade", suspend=False)
    cluster.settle()
    assert (len(cluster.active()), cluster.conditions()) == (1, [("Suspended", "False", "JobResumed")])
    cluster.change(JOB, "grade", suspend=True)
    cluster.settle()
    cluster.bury()
    assert (cluster.pods(), cluster.status.get("failed")) == ([], None)
    assert cluster.told("Suspended") == ["Job suspended"]
    assert cluster.told("Resumed") == ["Job resumed"]


def test_a_pod_that_is_deleted_is_replaced_and_counts_as_failed(cluster):
    cluster.begin()
    (name,) = cluster.names()
    cluster.delete(POD, name)
    cluster.bury()
    cluster.pass_time(10)
    cluster.settle()
    assert (cluster.status["failed"], len(cluster.active())) == (1, 1)
    assert cluster.names() != [name]


def test_fewer_at_once_take_pods_away_that_do_not_count_as_failed(cluster):
    cluster.begin(completions=5, parallelism=3, completionMode="Indexed")
    cluster.change(JOB, "grade", parallelism=1)
    cluster.settle()
    cluster.bury()
    assert (len(cluster.pods()), cluster.status.get("failed"), cluster.status["active"]) == (1, None, 1)


@pytest.mark.parametrize("work_after", [1, 2, 3])
def test_each_pod_is_counted_once_though_the_controller_ends_between_two_writes(cluster, work_after):
    cluster.begin(completions=3, parallelism=3)
    pods = cluster.active()
    for pod in pods[:2]:
        cluster.client.update_status(POD, pod, {**pod["status"], "phase": "Succeeded"})
    written = []

    def ends(change):
        written.append(change)
        if len(written) == work_after:
            raise KeyboardInterrupt

    cluster.objects.store.listeners.append(ends)
    with pytest.raises(KeyboardInterrupt):
        cluster.settle()
    cluster.objects.store.listeners.remove(ends)
    cluster.restart()
    cluster.settle()
    assert (cluster.status["succeeded"], cluster.status["uncountedTerminatedPods"]) == (2, {})


@pytest.mark.parametrize(("policy", "left"), [("Background", 0), ("Foreground", 0), ("Orphan", 1), (None, 1)])
def test_a_deleted_job_takes_its_pods_along_unless_they_are_to_stay(cluster, policy, left):
    cluster.begin()
    cluster.delete(JOB, "grade", policy)
    cluster.bury()
    assert cluster.job is None
    assert len(cluster.pods()) == left
    assert not any(
        pod["metadata"].get("finalizers") or pod["metadata"].get("ownerReferences") for pod in cluster.pods()
    )


def test_a_namespace_with_a_job_goes(cluster):
    cluster.begin(parallelism=2, completions=2)
    deletion.delete(cluster.objects, Target(NAMESPACE_KIND, "", NAMESPACE), deletion.DeleteOptions())
    cluster.settle()
    cluster.bury()
    assert (cluster.pods(), cluster.client.get(NAMESPACE_KIND, "", NAMESPACE)) == ([], None)


def test_a_job_that_is_over_goes_when_its_time_is_up(cluster):
    cluster.begin(ttlSecondsAfterFinished=30)
    cluster.pass_time(100)
    cluster.finish()
    cluster.pass_time(29)
    cluster.settle()
    assert cluster.job
    cluster.pass_time(1)
    cluster.settle()
    assert (cluster.job, cluster.pods()) == (None, [])


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([0, 1], "0,1"), ([0, 1, 2], "0-2"), ([5, 1, 2, 3, 7, 8], "1-3,5,7,8")]
)
def test_indexes_are_written_as_a_status_has_them(numbers, text):
    assert job_indexes.written(numbers) == text
    assert job_indexes.read(text, 100) == set(numbers)
    assert job_indexes.read(text, 2) == {one for one in numbers if one < 2}


def refusals(schemas, spec, name="j"):
    complete = schemas.default(JOB, schemas.decode(JOB, {"metadata": {"name": name}, "spec": spec})[0])
    return [str(status.invalid(JOB, name, [one])).partition(": ")[2] for one in validation.problems(JOB, complete)]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (job(restart="Always"), 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
        (
            job(completionMode="Indexed", parallelism=1),
            "spec.completions: Required value: when completion mode is Inde",
        ),
        (job(completionMode="Random"), 'spec.completionMode: Unsupported value: "Random": supported values: "Indexed"'),
        (job(parallelism=-1), "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
        (job(backoffLimitPerIndex=1), "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
        (job(podReplacementPolicy="Failed"), 'spec.podReplacementPolicy: Unsupported value: "Failed": supported value'),
        (job(managedBy="example.com/x"), "spec.managedBy: Forbidden: the local cluster does not know this field"),
        (job(manualSelector=True), "spec.selector: Required value"),
    ],
)
def test_what_a_job_may_not_be(schemas, spec, told):
    (found,) = refusals(schemas, spec)
    assert found.startswith(told)


def test_the_name_of_an_indexed_job_leaves_room_for_the_index(schemas):
    spec = job(completionMode="Indexed", completions=11)
    assert refusals(schemas, spec, "g" * 60) == []
    (found,) = refusals(schemas, spec, "g" * 61)
    assert found.endswith(f"will not able to create pod with invalid DNS label: {'g' * 61}-10")


def test_another_jobs_labels_are_not_taken(cluster):
    other = job()
    other["template"]["metadata"] = {"labels": {"batch.kubernetes.io/job-name": "theirs"}}
    with pytest.raises(status.ApiError, match="must be 'grade'"):
        cluster.create(JOB, "grade", other)
    with pytest.raises(status.ApiError, match="`selector` not auto-generated"):
        cluster.create(JOB, "grade", job(selector={"matchLabels": {"app": "theirs"}}))
