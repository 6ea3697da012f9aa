"""Namespaces of who may not make any: projects for the asking."""

import json
from types import SimpleNamespace

import pytest

from maas_lab import projects
from maas_lab.connection import Answer
from maas_lab.errors import Conflict, NotAllowed, NotFound

LIST, REQUESTS = "/apis/project.openshift.io/v1/projects", "/apis/project.openshift.io/v1/projectrequests"


class Cluster:
    """A cluster's projects: those of the user, and names that are taken for some calls."""

    def __init__(self, *names, taken=0, may=("projectrequests",)):
        self.names, self.taken, self.may, self.asked = list(names), taken, may, []
        self.connection = self

    def call(self, method, path, *, body=None, query=None, subject=""):
        self.asked.append((method, path))
        if path == REQUESTS:
            self.taken -= 1
            if self.taken >= 0:
                raise Conflict(f"{subject} exists already", hint="wait")
            self.names.append(body["metadata"]["name"])
        if method == "DELETE":
            self.names.remove(path.rpartition("/")[2])
        items = [{"metadata": {"name": name}} for name in self.names]
        return Answer(200, json.dumps({"items": items, "metadata": {"uid": "u-1"}}).encode(), {})

    def ask(self, version, kind, spec):
        return {"allowed": spec["resourceAttributes"]["resource"] in self.may}


def test_a_project_is_asked_for_until_the_old_one_of_its_name_is_gone():
    cluster = Cluster("mine", taken=2)
    projects.Projects(cluster).ask("new")
    assert cluster.asked == [("POST", REQUESTS)] * 3
    assert projects.Projects(cluster).names() == {"mine", "new"}


def test_only_ones_own_projects_are_there_and_are_removed():
    cluster = Cluster("mine")
    found = projects.Projects(cluster)
    found.insist("mine")
    with pytest.raises(NotFound, match="no namespace `theirs` that you may enter"):
        found.insist("theirs")
    assert found.remove("theirs") == ""
    assert found.remove("mine") == "u-1"
    assert [path for method, path in cluster.asked if method == "DELETE"] == [f"{LIST}/mine"]


def test_a_project_that_ends_between_two_questions_is_gone():
    """Its user's rights in it go before it does, so that the second question is refused and not answered by a 404."""
    cluster = Cluster("mine")

    def ended():
        cluster.names.clear()
        raise NotAllowed("you may not get namespaces in the namespace `mine`")

    def refused():
        raise NotAllowed("you may not get secrets")

    with pytest.raises(NotAllowed):
        projects.Projects(cluster).reading("mine", refused)
    with pytest.raises(NotFound):
        projects.Projects(cluster).reading("mine", ended)


@pytest.mark.parametrize(
    ("may", "expected"),
    [(("projectrequests",), True), (("namespaces", "projectrequests"), False), ((), False)],
)
def test_who_makes_namespaces_asks_for_none(may, expected):
    assert (projects.of(Cluster(may=may)) is not None) is expected


def test_a_cluster_that_answers_no_questions_has_no_projects():
    def refuse(*args):
        raise NotFound("no such kind", hint="look")

    assert projects.of(SimpleNamespace(ask=refuse, connection=None)) is None


@pytest.mark.parametrize(
    ("labels", "expected"), [({}, False), ({"team": "a"}, False), ({"team": "b"}, True), ({"more": "x"}, True)]
)
def test_a_manifest_may_say_more_of_a_namespace_than_its_project_can(labels, expected):
    found = {"metadata": {"name": "n", "labels": {"team": "a", "kubernetes.io/metadata.name": "n"}}}
    assert projects.has_more({"metadata": {"name": "n", "labels": labels}}, found) is expected
