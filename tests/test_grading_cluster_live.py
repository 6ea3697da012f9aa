"""A cohort of two in pods of the running local cluster: what they come to is what it is on this machine."""

from pathlib import Path

import pytest

from maas_lab import manifests
from maas_lab.cluster import Cluster
from maas_lab.grading import cohort_jobs, on_cluster, pool, verdicts
from tests.cohort import COURSE, course_in

LOCAL = Path(__file__).parents[1] / "manifests" / "grading" / "local"


@pytest.mark.xdist_group("stack")
def test_two_learners_are_graded_in_pods_of_an_indexed_job_as_on_this_machine(stack, tmp_path):
    course_in(tmp_path / "cohort")
    (tmp_path / "cohort" / "bob" / "03_consumer.ipynb").write_text("bob's notes")
    with Cluster(stack.local.kubeconfig) as cluster:
        cluster.apply(manifests.render(LOCAL))
        events = []
        found = on_cluster.grade(tmp_path / "cohort", pool.Plan(tmp_path / "grades"), cluster, events.append)
        assert [(one.learner, one.ended) for one in found] == [("alice", ""), ("bob", "")]
        start = {one.learner: one.lessons[0].verdicts for one in found}
        told = {name: [(each.exercise, each.passed, each.cause, each.hint) for each in start[name]] for name in start}
        assert told == COURSE
        states = [[lesson.state for lesson in one.lessons if lesson.state != verdicts.MISSING] for one in found]
        assert states == [[verdicts.GRADED], [verdicts.GRADED, verdicts.REFUSED]]
        told = cluster.events(cohort_jobs.NAMESPACE)
        assert {"SuccessfulCreate", "Completed"} <= {one.reason for one in told if one.object.startswith("Job/")}
        assert cluster.list("Job", cohort_jobs.NAMESPACE) == []
        cluster.delete("namespace/maas-lab-grading")
