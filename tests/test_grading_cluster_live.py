"""A cohort of two in pods of the running local cluster; what they handed in is refused, so that no lab is started."""

from pathlib import Path

import pytest

from maas_lab import manifests
from maas_lab.cluster import Cluster
from maas_lab.grading import cohort_jobs, on_cluster, pool, verdicts

LOCAL = Path(__file__).parents[1] / "manifests" / "grading" / "local"


@pytest.mark.xdist_group("stack")
def test_two_learners_are_graded_in_pods_of_an_indexed_job(stack, tmp_path):
    for learner in ("alice", "bob"):
        (tmp_path / "cohort" / learner).mkdir(parents=True)
        (tmp_path / "cohort" / learner / "03_consumer.ipynb").write_text(f"{learner}'s notes")
    with Cluster(stack.local.kubeconfig) as cluster:
        cluster.apply(manifests.render(LOCAL))
        events = []
        found = on_cluster.grade(tmp_path / "cohort", pool.Plan(tmp_path / "grades"), cluster, events.append)
        assert [(one.learner, one.ended) for one in found] == [("alice", ""), ("bob", "")]
        assert {lesson.state for one in found for lesson in one.lessons} == {verdicts.REFUSED, verdicts.MISSING}
        told = cluster.events(cohort_jobs.NAMESPACE)
        assert {"SuccessfulCreate", "Completed"} <= {one.reason for one in told if one.object.startswith("Job/")}
        assert cluster.list("Job", cohort_jobs.NAMESPACE) == []
        cluster.delete("namespace/maas-lab-grading")
